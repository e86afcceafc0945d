//! Mail servers that have a mail and take long to say so, or never do.

use std::time::{Duration, Instant};

use lab::smtp::SmtpServer;
use serde_json::{Value, json};

use crate::support::{
    service::Service,
    users::{ANI, BUDI},
};

/// A mail server with these options, and a service whose `SMTP_TIMEOUT` is a second.
async fn hasty(options: Value, more: &[(&'static str, String)]) -> (SmtpServer, Service) {
    let server = SmtpServer::start(options).await;
    let variables = [server.variables(), vec![("SMTP_TIMEOUT", "1".into())], more.to_vec()].concat();
    let service = Service::with_variables(&variables).await;
    (server, service)
}

#[tokio::test]
async fn a_mail_that_is_confirmed_late_is_mailed_once() {
    let (server, service) = hasty(json!({"hang": "@", "hang_ms": 4_000}), &[]).await;
    let (by_worker, by_request) = (service.notify(ANI, "Hello").await, service.notify_failed(ANI, "Hello").await);
    service.work();
    let begun = Instant::now();
    let _ = service.send(by_request).await.expect_error(503, "mail_unavailable");
    assert!(begun.elapsed() < Duration::from_millis(3_500), "the request does not wait for it");
    for id in [by_worker, by_request] {
        service.becomes(id, "sent").await;
    }
    service.stop().await;
    assert_eq!((server.count("hanging"), server.count("mail")), (2, 2));
}

#[tokio::test]
async fn what_is_sent_and_never_answered_is_mailed_no_oftener_than_it_is_tried() {
    const ATTEMPTS: usize = 2;
    let attempts = [("MAIL_MAX_ATTEMPTS", ATTEMPTS.to_string())];
    let (server, service) = hasty(json!({"drop": "@"}), &attempts).await;
    let people = service.users.crowd(4);
    let ids = service.tell(people.iter().map(|user| (*user, "Hello".into()))).await;
    service.work();
    for id in &ids {
        let failed = service.becomes(*id, "failed").await;
        let reason = failed["failure_reason"].as_str().unwrap_or_default().to_owned();
        assert_eq!(reason, "the connection to the mail server broke before it had answered the mail");
    }
    service.stop().await;
    assert_eq!(server.count("dropped"), ATTEMPTS * ids.len());

    // those who ask for it get no more of them
    let asked = service.notify(ANI, "Hello").await;
    let _ = service.send(asked).await.expect_error(503, "mail_unavailable");
    let _ = service.send(asked).await.expect_error(409, "mail_refused");
    assert_eq!(service.show(asked).await["status"], "failed");
}

#[tokio::test]
async fn mails_that_only_wait_for_their_answer_make_room_for_others() {
    let (server, service) = hasty(json!({"hang": "user", "hang_ms": 9_000}), &[]).await;
    let people = service.users.crowd(16);
    let _ = service.tell(people.iter().map(|user| (*user, "Hello".into()))).await;
    service.work();
    let all = async || (server.count("hanging") == people.len()).then_some(());
    lab::http::eventually("as many mails under way as may be", all).await;
    let other = service.notify(BUDI, "Hello").await;
    let begun = Instant::now();
    service.becomes(other, "sent").await;
    assert!(begun.elapsed() < Duration::from_secs(4), "it took {:?}", begun.elapsed());
    service.stop().await;
    assert_eq!(server.count("mail"), people.len() + 1);
}
