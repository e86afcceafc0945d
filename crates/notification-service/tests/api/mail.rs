//! What a user finds in the mailbox.

use lab::smtp::{Mail, SmtpServer};
use mail_parser::{Address, MimeHeaders};
use serde_json::json;

use crate::support::{
    certificates::{Certificates, PASSWORD, USER},
    service::Service,
    users::ANI,
};

#[track_caller]
fn only(address: Option<&Address<'_>>) -> (String, String) {
    let list = address.expect("an address").clone().into_list();
    assert_eq!(list.len(), 1, "{list:?}");
    let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
    (text(list[0].name()), text(list[0].address()))
}

#[tokio::test]
async fn a_mail_goes_encrypted_and_logged_in_to_the_address_of_the_user() {
    let certificates = Certificates::new();
    let server = certificates.server().await;
    let service = Service::with_variables(&certificates.variables(&server, PASSWORD)).await;
    let id = service.notify(ANI, "Top-up Rp 100,000 successful.").await;
    service.work();
    service.becomes(id, "sent").await;

    let mails = server.received(1).await;
    let mail = &mails[0];
    assert_eq!((mail.tls, mail.user.as_deref()), (true, Some(USER)));
    assert_eq!(
        (mail.from.as_str(), mail.to.as_slice()),
        ("noreply@wallet.example", &["ani@example.com".to_owned()][..])
    );
    let message = mail.message();
    assert_eq!(only(message.from()), (String::new(), "noreply@wallet.example".into()));
    assert_eq!(only(message.to()), (String::new(), "ani@example.com".into()));
    assert_eq!(message.subject(), Some("Digital Wallet: Top-up Rp 100,000 successful."));
    assert!(message.date().is_some(), "a mail has a date");
    assert_eq!((message.text_body_count(), message.html_body_count()), (1, 1));
    let kind = message.content_type().unwrap();
    assert_eq!((kind.ctype(), kind.subtype()), ("multipart", Some("alternative")));
    assert_eq!(message.body_text(0).unwrap().trim(), "Top-up Rp 100,000 successful.");
    assert!(message.body_html(0).unwrap().contains("<p>Top-up Rp 100,000 successful.</p>"));
    service.stop().await;
}

#[tokio::test]
async fn a_message_in_any_script_arrives_as_it_was_written_and_no_name_with_it() {
    let server = SmtpServer::plain().await;
    let service = Service::with_variables(&server.variables()).await;
    for (user, name, text) in [
        (2, "Your account is locked", "Your payment of =?utf-8?q?=50?= has been processed."),
        (3, "Søren Ünal", "Überweisung von 10 € an Zoë erhalten – danke!"),
        (4, "山田 太郎", "ご入金ありがとうございます。残高をご確認ください。"),
        (5, "\"Bob\" <bob@example.org>, Jr.", "5 < 6 & 7 > 4 \"quoted\" 'single' =20 .leading dot 💸"),
        (6, "Ani Wijaya", ". a message that starts with a dot"),
    ] {
        service.users.add(user, name, "someone@example.com");
        let id = service.notify(user, text).await;
        let _ = service.send(id).await.expect(200);
        let mails = server.mails();
        let message = mails.last().expect("a mail").message();
        assert_eq!(only(message.to()), (String::new(), "someone@example.com".into()));
        assert_eq!(message.subject().unwrap(), format!("Digital Wallet: {text}"));
        assert!(!mails.last().unwrap().text().contains(name), "a user chooses its name");
        assert_eq!(message.body_text(0).unwrap().trim_end(), text);
        let escaped = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&#39;")]
            .iter()
            .fold(text.to_owned(), |text, (plain, entity)| text.replace(plain, entity));
        assert!(message.body_html(0).unwrap().contains(&format!("<p>{escaped}</p>")), "{:?}", message.body_html(0));
    }
}

#[tokio::test]
async fn the_longest_message_arrives_whole_under_a_shortened_subject() {
    let server = SmtpServer::plain().await;
    let service = Service::with_variables(&server.variables()).await;
    let text = "é".repeat(1000);
    let id = service.notify(ANI, &text).await;
    let _ = service.send(id).await.expect(200);
    let mails = server.received(1).await;
    let message = mails[0].message();
    assert_eq!(message.body_text(0).unwrap().trim_end(), text);
    assert_eq!(message.subject().unwrap(), format!("Digital Wallet: {}…", "é".repeat(60)));
}

#[tokio::test]
async fn a_notification_that_is_mailed_twice_carries_the_same_message_id() {
    let server = SmtpServer::plain().await;
    let service = Service::with_variables(&server.variables()).await;
    let (one, other) = (service.notify(ANI, "Hello").await, service.notify(ANI, "Hello").await);
    let _ = service.send(one).await.expect(200);
    let _ = service.send(other).await.expect(200);
    let _ = service.api.put(&format!("/notifications/{one}"), json!({"status": "pending"})).await.expect(200);
    let _ = service.send(one).await.expect(200);
    let ids: Vec<String> = server.received(3).await.iter().map(Mail::id).collect();
    assert_eq!(ids[0], ids[2]);
    assert_ne!(ids[0], ids[1], "another notification, even with the same words, is another mail");
    assert!(ids.iter().all(|id| id.ends_with("@wallet.example")), "{ids:?}");
}
