//! Mail servers that say no, later, or nothing.

use std::time::{Duration, Instant};

use axum::http::Method;
use lab::{ports::free_port, smtp::SmtpServer};
use serde_json::json;

use crate::support::{
    service::Service,
    users::{ANI, BUDI},
};

/// How long a request to send may take when `SMTP_TIMEOUT` is a second: a few steps of a second each.
const BOUND: Duration = Duration::from_secs(6);

/// The variables for `server`, with a short time-out.
fn hasty(server: &SmtpServer) -> Vec<(&'static str, String)> {
    let mut variables = server.variables();
    variables.push(("SMTP_TIMEOUT", "1".into()));
    variables
}

#[tokio::test]
async fn a_refused_recipient_fails_at_once() {
    let server = SmtpServer::start(json!({"refuse": "ani@"})).await;
    let service = Service::with_variables(&server.variables()).await;
    let (by_request, by_worker) = (service.notify(ANI, "Hello").await, service.notify(ANI, "Hello").await);
    let _ = service.send(by_request).await.expect_error(409, "mail_refused");
    assert_eq!(service.show(by_request).await["status"], "failed");
    assert_eq!(server.count("recipient"), 1);

    service.work();
    for id in [by_request, by_worker] {
        let failed = service.becomes(id, "failed").await;
        let reason = failed["failure_reason"].as_str().unwrap_or_default();
        assert_eq!(reason, "the mail server refused the mail or its recipient (550)");
    }
    let other = service.notify(BUDI, "Hello").await;
    service.becomes(other, "sent").await;
    assert_eq!(server.received(1).await[0].to, ["budi@example.com"]);
    assert_eq!(server.count("recipient"), 3, "a refusal is not tried again");
    service.stop().await;
}

#[tokio::test]
async fn whatever_a_mail_server_says_the_reason_is_in_our_own_words() {
    for (says, reason) in [
        ("5.1.1 <ani@example.com>: User unknown", "there is no such mailbox (550 5.1.1)"),
        ("5.1.1 \"Ani\" <ANI@EXAMPLE.COM> unknown", "there is no such mailbox (550 5.1.1)"),
        ("5.2.2 bounces+ani=example.com@list.example is full", "the mailbox is full (550 5.2.2)"),
        ("5.9.99 a n i (at) example dot com, ani%example.com@relay", "the mail or its recipient (550 5.9.99)"),
        ("ani: no such user at EXAMPLE", "the mail server refused the mail or its recipient (550)"),
        ("ani", "the mail server refused the mail or its recipient (550)"),
    ] {
        let server = SmtpServer::start(json!({"refuse": "ani@", "says": says})).await;
        let service = Service::with_variables(&server.variables()).await;
        let id = service.notify(ANI, "Hello").await;
        let refused = service.send(id).await.expect_error(409, "mail_refused");
        let failed = service.show(id).await;
        let told = failed["failure_reason"].as_str().unwrap_or_default();
        assert!(told.ends_with(reason), "{says:?} became {told:?}");
        for text in [told, &refused.text] {
            let text = text.to_lowercase();
            assert!(!text.contains("ani") && !text.contains("example") && !text.contains('@'), "{text}");
        }
    }
}

#[tokio::test]
async fn a_refusal_by_policy_is_believed_once_others_are_taken() {
    let policy = "5.7.26 SRS0=HHH=TT=example.com=ani@relay.example";
    let server = SmtpServer::start(json!({"refuse": "ani@", "says": policy})).await;
    let service = Service::with_variables(&server.variables()).await;
    let id = service.notify(ANI, "Hello").await;
    let _ = service.send(id).await.expect_error(503, "mail_unavailable");
    let waits = service.show(id).await;
    let reason =
        "the mail server does not trust the sender's domain: check SPF, DKIM, DMARC and reverse DNS (550 5.7.26)";
    assert_eq!((&waits["status"], &waits["failure_reason"]), (&json!("pending"), &json!(reason)));
    let other = service.notify(BUDI, "Hello").await;
    let _ = service.send(other).await.expect(200);
    let _ = service.send(id).await.expect_error(409, "mail_refused");
    let failed = service.show(id).await;
    assert_eq!((&failed["status"], &failed["failure_reason"]), (&json!("failed"), &json!(reason)));
}

#[tokio::test]
async fn what_the_server_refuses_of_everybody_is_no_failure_of_a_mail() {
    // as a server says that wants a login and gets none
    let server =
        SmtpServer::start(json!({"refuse": "@", "reply": 554, "says": "5.7.1 <x@example.com>: Access denied"})).await;
    let service = Service::with_variables(&server.variables()).await;
    let people = service.users.crowd(60);
    let begun = Instant::now();
    service.work();
    let mut told = Vec::new();
    for user in people {
        told.push(service.notify(user, "Hello").await);
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    for id in &told {
        assert_eq!(service.show(*id).await["status"], "pending");
    }
    let tried = server.count("recipient");
    // as many as are under way at once, then one after each pause of 1, 2, 4 ... seconds
    let most = 16 + (begun.elapsed().as_secs() + 1).ilog2() as usize;
    assert!((1..=most).contains(&tried), "{tried} mails were tried, and no more than {most} should be");
    service.stop().await;
}

#[tokio::test]
async fn what_had_failed_is_mailed_again_all_at_once() {
    let server = SmtpServer::start(json!({})).await;
    let service = Service::with_variables(&server.variables()).await;
    let (one, two) = (service.notify_failed(ANI, "One").await, service.notify_failed(ANI, "Two").await);
    let (other, old) = (service.notify_failed(BUDI, "Other").await, service.notify_failed(ANI, "Old").await);
    service.execute("UPDATE notifications SET created_at = '2025-01-01' WHERE message = 'Old'").await;
    let resend = async |which| {
        let path = "/internal/notifications/resend";
        service.api.as_service().post(path, which).await.expect(200)["resent"].clone()
    };
    assert_eq!(resend(json!({"user_id": ANI, "from": "2025-06-01"})).await, json!(2));
    for (id, status) in [(one, "pending"), (two, "pending"), (other, "failed"), (old, "failed")] {
        assert_eq!(service.show(id).await["status"], status);
    }
    assert_eq!(resend(json!({})).await, json!(2));
    assert_eq!(resend(json!({})).await, json!(0));
    service.work();
    let mails = server.received(4).await;
    assert_eq!(mails.iter().filter(|mail| mail.to == ["budi@example.com"]).count(), 1);
    service.stop().await;
}

#[tokio::test]
async fn a_refused_mail_fails_at_once() {
    let server = SmtpServer::start(json!({"reject": "ani@"})).await;
    let service = Service::with_variables(&server.variables()).await;
    let id = service.notify(ANI, "Hello").await;
    let _ = service.send(id).await.expect_error(409, "mail_refused");
    let failed = service.show(id).await;
    assert_eq!(failed["status"], "failed");
    assert!(failed["failure_reason"].as_str().unwrap_or_default().contains("550"), "{}", failed.text);
    let _ = service.resend(id).await.expect_error(409, "mail_refused");
    assert_eq!(server.count("mail"), 0);
}

#[tokio::test]
async fn a_failed_notification_says_why_until_it_is_sent() {
    let server = SmtpServer::start(json!({"refuse": "old@"})).await;
    let service = Service::with_variables(&server.variables()).await;
    service.users.add(ANI, "Ani Wijaya", "old@example.com");
    let id = service.notify(ANI, "Hello").await;
    let _ = service.send(id).await.expect_error(409, "mail_refused");
    assert!(service.show(id).await["failure_reason"].is_string());
    service.users.add(ANI, "Ani Wijaya", "new@example.com");
    let _ = service.resend(id).await.expect(200);
    let sent = service.show(id).await;
    assert_eq!((&sent["status"], sent.json.get("failure_reason")), (&json!("sent"), None));
    assert_eq!(server.received(1).await[0].to, ["new@example.com"]);
}

#[tokio::test]
async fn a_temporary_failure_is_retried_with_growing_pauses_until_it_has_failed() {
    let server = SmtpServer::start(json!({"defer": "ani@"})).await;
    let mut variables = server.variables();
    variables.push(("MAIL_MAX_ATTEMPTS", "3".into()));
    let service = Service::with_variables(&variables).await;
    let id = service.notify(ANI, "Hello").await;
    service.work();
    server.saw("recipient").await;
    assert_eq!(service.show(id).await["status"], "pending");
    let failed = service.becomes(id, "failed").await;
    let reason = failed["failure_reason"].as_str().unwrap_or_default();
    assert_eq!(reason, "the mail server deferred the mail (451)");
    let times = server.times("recipient");
    assert_eq!(times.len(), 3);
    let (first, second) = (times[1] - times[0], times[2] - times[1]);
    assert!(first >= Duration::from_millis(900) && second > first * 2, "{first:?}, then {second:?}");
    service.stop().await;
}

#[tokio::test]
async fn a_temporary_failure_leaves_a_request_to_send_with_503_and_the_worker_with_the_rest() {
    let server = SmtpServer::start(json!({"defer": "ani@"})).await;
    let mut variables = server.variables();
    variables.push(("MAIL_MAX_ATTEMPTS", "2".into()));
    let service = Service::with_variables(&variables).await;
    let id = service.notify(ANI, "Hello").await;
    let refused = service.send(id).await.expect_error(503, "mail_unavailable");
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    assert_eq!(service.show(id).await["status"], "pending");
    service.work();
    service.becomes(id, "failed").await;
    assert_eq!(server.count("recipient"), 3, "one by request, two by the worker");
    service.stop().await;
}

#[tokio::test]
async fn a_server_that_is_down_gets_the_mail_once_it_is_back_however_long_that_takes() {
    let port = free_port();
    let mut variables = SmtpServer::variables_of(port);
    variables.push(("MAIL_MAX_ATTEMPTS", "1".into()));
    let service = Service::with_variables(&variables).await;
    let id = service.notify(ANI, "Hello").await;
    let refused = service.send(id).await.expect_error(503, "mail_unavailable");
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    assert_eq!(service.show(id).await["status"], "pending");

    service.work();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let waits = service.show(id).await;
    let reason = "nothing listens at SMTP_SERVER and SMTP_PORT";
    assert_eq!((&waits["status"], &waits["failure_reason"]), (&json!("pending"), &json!(reason)));
    let server = SmtpServer::start(json!({"port": port})).await;
    service.becomes(id, "sent").await;
    let _ = service.send(id).await.expect(200);
    let _ = server.received(1).await;
    service.stop().await;
}

#[tokio::test]
async fn a_failed_notification_that_could_not_be_sent_again_is_left_to_the_worker() {
    let port = free_port();
    let service = Service::with_variables(&SmtpServer::variables_of(port)).await;
    let (one, other) = (service.notify_failed(ANI, "One").await, service.notify_failed(ANI, "Other").await);
    let _ = service.send(one).await.expect_error(503, "mail_unavailable");
    let _ = service.resend(other).await.expect_error(503, "mail_unavailable");
    for id in [one, other] {
        assert_eq!(service.show(id).await["status"], "pending", "the answer says that it stays pending");
    }
    service.work();
    let server = SmtpServer::start(json!({"port": port})).await;
    for id in [one, other] {
        service.becomes(id, "sent").await;
    }
    let _ = server.received(2).await;
    service.stop().await;
}

#[tokio::test]
async fn a_server_that_hangs_costs_a_request_a_bounded_time() {
    for options in [json!({"mute": true}), json!({"hang": "ani@"})] {
        let server = SmtpServer::start(options.clone()).await;
        let service = Service::with_variables(&hasty(&server)).await;
        let id = service.notify(ANI, "Hello").await;
        let begun = Instant::now();
        let path = format!("/notifications/{id}/send");
        let answered = service.api.try_send(Method::POST, &path, None).await;
        let took = begun.elapsed();
        assert!(took < BOUND, "{options}: took {took:?}, {answered:?}");
        let _ = answered.expect("an answer").expect_error(503, "mail_unavailable");
        assert_eq!(service.show(id).await["status"], "pending");
        assert_eq!(server.count("mail"), 0);
    }
}

#[tokio::test]
async fn a_mail_that_hangs_does_not_hold_up_the_others() {
    let server = SmtpServer::start(json!({"hang": "ani@", "hang_ms": 10_000})).await;
    let service = Service::with_variables(&hasty(&server)).await;
    service.work();
    let stuck = service.notify(ANI, "Hello").await;
    server.saw("hanging").await;
    let mut others = Vec::new();
    for n in 1..=3 {
        others.push(service.notify(BUDI, &format!("Number {n}")).await);
    }
    for id in others {
        service.becomes(id, "sent").await;
    }
    assert_eq!(service.show(stuck).await["status"], "pending");
    let mails = server.received(3).await;
    assert!(mails.iter().all(|mail| mail.to == ["budi@example.com"]), "{mails:?}");
    service.stop().await;
    assert_eq!(server.count("hanging"), 1);
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_not_taken_for_that_of_the_next_mail() {
    let server = SmtpServer::start(json!({"hang": "ani@", "hang_ms": 2_500, "reject": "budi@"})).await;
    let service = Service::with_variables(&hasty(&server)).await;
    let late = service.notify(ANI, "Hello").await;
    let _ = service.send(late).await.expect_error(503, "mail_unavailable");
    let rejected = service.notify(BUDI, "Hello").await;
    for _ in 0..2 {
        let _ = service.send(rejected).await.expect_error(409, "mail_refused");
        assert_eq!(service.show(rejected).await["status"], "failed");
    }
}
