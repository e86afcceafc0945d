//! Who goes on with a notification when its worker is slow, has crashed, or cannot write down what it did.

use std::time::{Duration, Instant};

use axum::http::Method;
use lab::{http::eventually, smtp::SmtpServer};
use serde_json::json;

use crate::support::{
    service::Service,
    users::{ANI, BUDI},
};

/// Longer than a claim lasts that is not renewed.
const SLOW_MILLISECONDS: u64 = 13_000;
/// How soon somebody else goes on after a crash.
const TAKEOVER: Duration = Duration::from_secs(15);

/// The variables for `server`, which may take long.
fn patient(server: &SmtpServer) -> Vec<(&'static str, String)> {
    let mut variables = server.variables();
    variables.push(("SMTP_TIMEOUT", "20".into()));
    variables
}

#[tokio::test]
async fn a_mail_that_takes_long_is_left_to_whoever_began_it() {
    let server = SmtpServer::start(json!({"hang": "ani@", "hang_ms": SLOW_MILLISECONDS})).await;
    let service = Service::with_variables(&patient(&server)).await;
    let (by_worker, by_request) = (service.notify(ANI, "Hello").await, service.notify_failed(ANI, "Hello").await);
    let second = service.second_instance().await;
    service.work();
    let path = format!("/notifications/{by_request}/send");
    let sending = tokio::spawn(async move { second.try_send(Method::POST, &path, None).await });
    eventually("both mails under way", async || (server.count("hanging") == 2).then_some(())).await;
    let _ = service.send(by_worker).await.expect_error(503, "mail_unavailable");
    for id in [by_worker, by_request] {
        service.becomes(id, "sent").await;
    }
    assert!(sending.await.unwrap().is_err(), "the client has not waited");
    service.stop().await;
    assert_eq!((server.count("hanging"), server.count("mail")), (2, 2));
}

#[tokio::test]
async fn after_a_crash_another_instance_goes_on_within_seconds() {
    let server = SmtpServer::start(json!({"hang": "ani@"})).await;
    let service = Service::with_variables(&patient(&server)).await;
    let ids = service.tell([(ANI, "Hello".into()), (BUDI, "Hello".into())]).await;
    let crashing = service.doomed_instance();
    server.saw("hanging").await;
    service.becomes(ids[1], "sent").await;
    crashing.shutdown_background();
    let crashed = Instant::now();

    service.users.add(ANI, "Ani Wijaya", "elsewhere@example.com");
    service.work();
    service.becomes(ids[0], "sent").await;
    assert!(crashed.elapsed() < TAKEOVER, "took {:?}", crashed.elapsed());
    let mails = server.received(2).await;
    assert_eq!((&*mails[0].to[0], &*mails[1].to[0]), ("budi@example.com", "elsewhere@example.com"));
    service.stop().await;
}

#[tokio::test]
async fn a_mail_is_marked_as_sent_once_the_database_is_back() {
    let server = SmtpServer::start(json!({"hang": "ani@", "hang_ms": 1_000})).await;
    let service = Service::with_variables(&server.variables()).await;
    let id = service.notify(ANI, "Hello").await;
    service.work();
    server.saw("hanging").await;
    service.execute("RENAME TABLE notifications TO away").await;
    let _ = server.received(1).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    service.execute("RENAME TABLE away TO notifications").await;
    service.becomes(id, "sent").await;
    service.stop().await;
    assert_eq!(server.count("hanging"), 1);
}

#[tokio::test]
async fn what_was_sent_is_not_mailed_again_however_long_the_database_is_away() {
    let server = SmtpServer::start(json!({"hang": "@", "hang_ms": 1_000})).await;
    let service = Service::with_variables(&server.variables()).await;
    let (by_worker, by_request) = (service.notify(ANI, "Hello").await, service.notify_failed(BUDI, "Hello").await);
    let (api, path) = (service.api.clone(), format!("/notifications/{by_request}/send"));
    let request = tokio::spawn(async move { api.try_send(Method::POST, &path, None).await });
    service.work();
    eventually("both mails under way", async || (server.count("hanging") == 2).then_some(())).await;
    service.execute("RENAME TABLE notifications TO away").await;
    let _ = server.received(2).await;
    tokio::time::sleep(Duration::from_secs(14)).await;
    service.execute("RENAME TABLE away TO notifications").await;
    for id in [by_worker, by_request] {
        service.becomes(id, "sent").await;
    }
    let _ = request.await.unwrap();
    service.stop().await;
    assert_eq!(server.count("hanging"), 2);
}

#[tokio::test]
async fn an_answer_that_never_came_counts_once_the_database_is_back() {
    let server = SmtpServer::start(json!({"hang": "ani@"})).await;
    let mut variables = server.variables();
    variables.push(("MAIL_MAX_ATTEMPTS", "1".into()));
    let service = Service::with_variables(&variables).await;
    let id = service.notify(ANI, "Hello").await;
    service.work();
    server.saw("hanging").await;
    service.execute("RENAME TABLE notifications TO away").await;
    let mails = server.stop().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    service.execute("RENAME TABLE away TO notifications").await;
    service.becomes(id, "failed").await;
    service.stop().await;
    assert_eq!(mails.len(), 0);
}
