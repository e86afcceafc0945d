//! The worker mails in batches: what its notifications share, and what each has for itself.

use std::collections::BTreeSet;

use lab::{
    http::eventually,
    smtp::{Mail, SmtpServer},
};
use serde_json::json;

use crate::support::{
    service::Service,
    users::{ANI, BUDI, NOBODY},
};

/// Mails that the server gets at once.
const AT_ONCE: usize = 16;

#[tokio::test]
async fn more_than_one_batch_is_mailed_oldest_first() {
    const COUNT: usize = 300;
    let server = SmtpServer::plain().await;
    let service = Service::with_variables(&server.variables()).await;
    let people = service.users.crowd(COUNT);
    let event = |n: usize| (people[n], n.to_string());
    let ids = service.tell((0..100).map(event)).await;
    let _ = service.tell((100..COUNT).map(event)).await;
    service.work();
    let mails = server.received(COUNT).await;
    let distinct: BTreeSet<String> = mails.iter().map(Mail::id).collect();
    assert_eq!(distinct.len(), COUNT);
    for (place, mail) in mails.iter().enumerate() {
        let number: usize = mail.message().body_text(0).unwrap().trim().parse().unwrap();
        assert!(number < place + AT_ONCE, "number {number} came in place {place}");
    }
    for id in ids {
        service.becomes(id, "sent").await;
    }
    service.stop().await;
    assert_eq!(server.count("mail"), COUNT);
}

#[tokio::test]
async fn a_batch_asks_user_service_once() {
    let service = Service::with_variables(&[("MAIL_RATE", "400".into()), ("MAIL_USER_RATE", "off".into())]).await;
    let ids = service.tell((0..100).map(|n| ([ANI, BUDI, NOBODY][n % 3], format!("Number {n}")))).await;
    service.work();
    for (n, id) in ids.into_iter().enumerate() {
        service.becomes(id, if n % 3 == 2 { "failed" } else { "sent" }).await;
    }
    assert_eq!(service.users.calls(), [3], "one call, for three users");
    service.stop().await;
}

#[tokio::test]
async fn each_notification_of_a_batch_has_its_own_outcome() {
    let server = SmtpServer::start(json!({"refuse": "refused@", "defer": "deferred@"})).await;
    let mut variables = server.variables();
    variables.push(("MAIL_RETRY_SECONDS", "3600".into()));
    let service = Service::with_variables(&variables).await;
    service.users.add(3, "Refused", "refused@example.com");
    service.users.add(4, "Deferred", "deferred@example.com");
    service.users.add(5, "Nowhere", "no address");
    let ids = service.tell([ANI, 3, 4, 5, NOBODY, BUDI].map(|user| (user, "Hello".into()))).await;
    service.work();
    let mut outcomes = Vec::new();
    for (id, status) in ids.iter().zip(["sent", "failed", "pending", "failed", "failed", "sent"]) {
        let notification = service.becomes(*id, status).await;
        outcomes.push(notification["failure_reason"].as_str().unwrap_or_default().to_owned());
    }
    assert!(outcomes[1].contains("550") && outcomes[4] == "there is no such user", "{outcomes:?}");
    assert!(outcomes[0].is_empty() && outcomes[2].contains("451") && !outcomes[3].is_empty(), "{outcomes:?}");
    let _ = server.received(2).await;
    service.stop().await;
    assert_eq!(server.count("recipient"), 4, "nothing is tried twice");
}

#[tokio::test]
async fn what_waits_behind_slow_mails_is_mailed_as_it_is_by_then() {
    let server = SmtpServer::start(json!({"hang": "@", "hang_ms": 2_500})).await;
    let service = Service::with_variables(&server.variables()).await;
    let people = service.users.crowd(20);
    let ids = service.tell((0..20).map(|n| (people[n], format!("Number {n}")))).await;
    service.work();
    eventually("as many mails under way as may be", async || (server.count("hanging") == AT_ONCE).then_some(())).await;
    let path = |n: usize| format!("/notifications/{}", ids[n]);
    let _ = service.api.put(&path(17), json!({"message": "New words"})).await.expect(200);
    let _ = service.api.put(&path(18), json!({"status": "sent"})).await.expect(200);
    let _ = service.api.delete(&path(19)).await.expect(200);
    service.becomes(ids[17], "sent").await;
    service.becomes(ids[16], "sent").await;
    service.stop().await;
    let mails = server.received(18).await;
    let texts: BTreeSet<String> = mails.iter().map(|mail| mail.message().body_text(0).unwrap().trim().into()).collect();
    let expected = (0..17).map(|n| format!("Number {n}")).chain(["New words".into()]);
    assert_eq!(texts, expected.collect());
}
