//! The worker, its second instance, and requests to send beside it.

use std::{collections::BTreeSet, time::Duration};

use lab::smtp::{Mail, SmtpServer};
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{
    service::Service,
    users::{ANI, BUDI},
};

/// Several turns of the worker.
const A_WHILE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn two_instances_and_requests_to_send_mail_each_notification_once() {
    const COUNT: usize = 20;
    let server = SmtpServer::plain().await;
    let service = Service::with_variables(&server.variables()).await;
    let mut ids = Vec::new();
    for n in 0..COUNT {
        ids.push(service.notify(ANI, &format!("Number {n}")).await);
    }
    let second = service.second_instance().await;
    service.work();
    let mut requests = JoinSet::new();
    for id in &ids {
        for api in [service.api.clone(), second.clone()] {
            let path = format!("/notifications/{id}/send");
            requests.spawn(async move { api.post_empty(&path).await });
        }
    }
    for reply in requests.join_all().await {
        assert_eq!(reply.expect(200)["status"], "sent");
    }
    for id in ids {
        assert_eq!(service.show(id).await["status"], "sent");
    }
    let mails = server.received(COUNT).await;
    let distinct: BTreeSet<String> = mails.iter().map(Mail::id).collect();
    assert_eq!(distinct.len(), COUNT);
    service.stop().await;
    assert_eq!(server.count("mail"), COUNT, "and no more by the time the workers have ended");
}

#[tokio::test]
async fn what_cannot_be_addressed_waits_for_user_service() {
    let server = SmtpServer::plain().await;
    let mut variables = server.variables();
    variables.push(("MAIL_MAX_ATTEMPTS", "1".into()));
    let service = Service::with_variables(&variables).await;
    service.users.set_down(true);
    let id = service.notify(ANI, "Hello").await;
    let _ = service.send(id).await.expect_error(503, "mail_unavailable");
    service.work();
    tokio::time::sleep(2 * A_WHILE).await;
    assert_eq!(service.show(id).await["status"], "pending", "that was no attempt to mail it");
    service.users.set_down(false);
    service.becomes(id, "sent").await;
    let _ = server.received(1).await;
    service.stop().await;
}

#[tokio::test]
async fn a_worker_that_is_turned_off_mails_nothing() {
    let server = SmtpServer::plain().await;
    let mut variables = server.variables();
    variables.push(("NOTIFICATION_AUTO_SEND", "false".into()));
    let service = Service::with_variables(&variables).await;
    service.work();
    let id = service.notify(ANI, "Hello").await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!((service.show(id).await["status"].clone(), server.count("connection")), (json!("pending"), 0));
    let _ = service.send(id).await.expect(200);
    let _ = server.received(1).await;
    service.stop().await;
}

#[tokio::test]
async fn what_is_pending_again_is_mailed_again_in_its_new_words() {
    let server = SmtpServer::plain().await;
    let service = Service::with_variables(&server.variables()).await;
    service.work();
    let id = service.notify(ANI, "Old words").await;
    service.becomes(id, "sent").await;
    let body = json!({"message": "New words", "status": "pending"});
    let _ = service.api.put(&format!("/notifications/{id}"), body).await.expect(200);
    service.becomes(id, "sent").await;
    let mails = server.received(2).await;
    let texts: Vec<String> = mails.iter().map(|mail| mail.message().body_text(0).unwrap().trim().to_owned()).collect();
    assert_eq!(texts, ["Old words", "New words"]);
    service.stop().await;
}

#[tokio::test]
async fn what_is_marked_as_sent_or_deleted_is_not_mailed() {
    let server = SmtpServer::plain().await;
    let service = Service::with_variables(&server.variables()).await;
    let (sent, failed, deleted) = (
        service.notify(ANI, "Marked as sent").await,
        service.notify_failed(ANI, "Marked as failed").await,
        service.notify(ANI, "Deleted").await,
    );
    let _ = service.api.put(&format!("/notifications/{sent}"), json!({"status": "sent"})).await.expect(200);
    let _ = service.api.delete(&format!("/notifications/{deleted}")).await.expect(200);
    let last = service.notify(BUDI, "Pending").await;
    service.work();
    service.becomes(last, "sent").await;
    assert_eq!(server.received(1).await[0].to, ["budi@example.com"]);
    assert_eq!(service.show(failed).await["status"], "failed");
    service.stop().await;
}

#[tokio::test]
async fn a_worker_finishes_its_mails_before_it_ends() {
    let server = SmtpServer::start(json!({"hang": "@", "hang_ms": 500})).await;
    let service = Service::with_variables(&server.variables()).await;
    let id = service.notify(ANI, "Hello").await;
    service.work();
    server.saw("hanging").await;
    service.stop().await;
    assert_eq!(service.show(id).await["status"], "sent");
    let _ = server.received(1).await;
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_leave_a_mail_without_its_mark() {
    let server = SmtpServer::start(json!({"hang": "@", "hang_ms": 500})).await;
    let service = Service::with_variables(&server.variables()).await;
    let id = service.notify(ANI, "Hello").await;
    let (api, path) = (service.api.clone(), format!("/notifications/{id}/send"));
    let request = tokio::spawn(async move { api.post_empty(&path).await });
    server.saw("hanging").await;
    request.abort();
    service.becomes(id, "sent").await;
    let _ = service.send(id).await.expect(200);
    let _ = server.received(1).await;
}
