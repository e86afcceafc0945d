//! Without a mail server, mails are files.

use std::collections::BTreeSet;

use mail_parser::MessageParser;

use crate::support::{
    service::Service,
    users::{ANI, BUDI, NOBODY},
};

#[tokio::test]
async fn each_notification_is_one_file_that_mail_programs_read() {
    let service = Service::start().await;
    let ids = [
        service.notify(ANI, "Top-up Rp 100,000 successful.").await,
        service.notify(BUDI, "You have received Rp 10,000.").await,
        service.notify(ANI, "Saldo Anda berkurang – terima kasih ❤").await,
    ];
    service.work();
    for id in ids {
        service.becomes(id, "sent").await;
    }
    let files = service.files();
    assert!(files.keys().all(|name| name.split('.').next_back() == Some("eml")), "{:?}", files.keys());
    let mails: BTreeSet<(String, String)> = files
        .values()
        .map(|raw| {
            let mail = MessageParser::default().parse(raw).expect("a mail that can be read");
            let to = mail.to().unwrap().first().unwrap().address().unwrap().to_owned();
            (to, mail.body_text(0).unwrap().trim().to_owned())
        })
        .collect();
    let expected = [
        ("ani@example.com", "Top-up Rp 100,000 successful."),
        ("budi@example.com", "You have received Rp 10,000."),
        ("ani@example.com", "Saldo Anda berkurang – terima kasih ❤"),
    ];
    assert_eq!(mails, expected.map(|(to, text)| (to.to_owned(), text.to_owned())).into());
    assert_eq!(files.len(), 3);
    service.stop().await;
}

#[tokio::test]
async fn a_notification_that_is_mailed_twice_keeps_its_file_and_its_identity() {
    let service = Service::start().await;
    let id = service.notify(ANI, "Hello").await;
    let message_id = |service: &Service| {
        let files = service.files();
        assert_eq!(files.len(), 1);
        let raw = files.values().next().unwrap();
        MessageParser::default().parse(raw).unwrap().message_id().unwrap().to_owned()
    };
    let _ = service.send(id).await.expect(200);
    let first = message_id(&service);
    let body = serde_json::json!({"status": "pending"});
    let _ = service.api.put(&format!("/notifications/{id}"), body).await.expect(200);
    let _ = service.send(id).await.expect(200);
    assert_eq!(message_id(&service), first);
}

#[tokio::test]
async fn a_user_without_an_account_is_told_nothing() {
    let service = Service::start().await;
    let (by_request, by_worker) = (service.notify(NOBODY, "Hello").await, service.notify(NOBODY, "Hello").await);
    let _ = service.send(by_request).await.expect_error(409, "mail_refused");
    service.work();
    for id in [by_request, by_worker] {
        let failed = service.becomes(id, "failed").await;
        assert_eq!(failed["failure_reason"], "there is no such user");
    }
    assert!(service.files().is_empty());
    service.stop().await;
}
