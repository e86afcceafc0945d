//! Credentials and mails go over connections that are as private as they must be, or not at all.

use std::net::TcpListener;

use lab::smtp::SmtpServer;
use serde_json::json;

use crate::support::{
    certificates::{Certificates, PASSWORD, USER},
    service::Service,
    users::ANI,
};

/// A password that is not the account's.
const WRONG: &str = "battery-staple";
/// How AUTH PLAIN and AUTH LOGIN write it down: "\0wallet\0battery-staple" and "battery-staple" in Base64.
const WRONG_ENCODED: [&str; 2] = ["AHdhbGxldABiYXR0ZXJ5LXN0YXBsZQ==", "YmF0dGVyeS1zdGFwbGU="];
/// Where mail servers speak TLS from the first byte.
const IMPLICIT_TLS_PORT: u16 = 465;

/// Why a mail waits that was tried once: not for its own sake.
async fn reason_of_waiting(variables: Vec<(&'static str, String)>) -> String {
    let service = Service::with_variables(&variables).await;
    let id = service.notify(ANI, "Hello").await;
    let _ = service.send(id).await.expect_error(503, "mail_unavailable");
    let waits = service.show(id).await;
    assert_eq!(waits["status"], "pending");
    waits["failure_reason"].as_str().filter(|reason| !reason.is_empty()).expect("a reason").to_owned()
}

#[tokio::test]
async fn a_wrong_password_sends_nothing_and_stays_out_of_the_reason() {
    let certificates = Certificates::new();
    let server = certificates.server().await;
    let reason = reason_of_waiting(certificates.variables(&server, WRONG)).await;
    assert!(reason.contains("535"), "{reason}");
    for secret in [WRONG].iter().chain(&WRONG_ENCODED) {
        assert!(!reason.contains(secret), "{reason}");
    }
    assert_eq!((server.count("auth") > 0, server.count("mail")), (true, 0));
}

#[tokio::test]
async fn credentials_never_go_to_a_server_without_starttls() {
    let certificates = Certificates::new();
    let server = SmtpServer::start(json!({"user": USER, "password": PASSWORD})).await;
    let reason = reason_of_waiting(certificates.variables(&server, PASSWORD)).await;
    assert!(reason.to_uppercase().contains("STARTTLS"), "{reason}");
    assert_eq!((server.count("connection") > 0, server.count("auth"), server.count("mail")), (true, 0, 0));
}

#[tokio::test]
async fn nothing_goes_to_a_server_whose_certificate_is_not_trusted() {
    let (ours, theirs) = (Certificates::new(), Certificates::new());
    let elsewhere = Certificates::issued_for(&["mail.example.com"]);
    for (server_has, service_trusts) in [(&theirs, &ours), (&elsewhere, &elsewhere)] {
        let server = server_has.server().await;
        let reason = reason_of_waiting(service_trusts.variables(&server, PASSWORD)).await;
        assert!(reason.to_lowercase().contains("certificate"), "{reason}");
        assert_eq!((server.count("connection") > 0, server.count("auth"), server.count("mail")), (true, 0, 0));
    }
}

#[tokio::test]
async fn a_private_authority_must_be_named() {
    let certificates = Certificates::new();
    let server = certificates.server().await;
    let mut variables = certificates.variables(&server, PASSWORD);
    variables.retain(|(name, _)| *name != "SMTP_CA_FILE");
    reason_of_waiting(variables).await;
    assert_eq!((server.count("connection") > 0, server.count("auth"), server.count("mail")), (true, 0, 0));
}

#[tokio::test]
async fn without_credentials_a_server_without_starttls_is_good_enough() {
    let server = SmtpServer::plain().await;
    let service = Service::with_variables(&server.variables()).await;
    let id = service.notify(ANI, "Hello").await;
    service.work();
    service.becomes(id, "sent").await;
    let mails = server.received(1).await;
    assert_eq!((mails[0].tls, mails[0].user.as_deref()), (false, None));
    service.stop().await;
}

#[tokio::test]
async fn without_credentials_starttls_is_used_where_it_is_offered() {
    let certificates = Certificates::new();
    let (key, cert) = (certificates.key(), certificates.certificate());
    let server = SmtpServer::start(json!({"tls": "starttls", "key": key, "cert": cert})).await;
    let mut variables = server.variables();
    variables.push(("SMTP_CA_FILE", certificates.authority()));
    let service = Service::with_variables(&variables).await;
    let id = service.notify(ANI, "Hello").await;
    let _ = service.send(id).await.expect(200);
    assert!(server.received(1).await[0].tls);
}

#[tokio::test]
async fn on_port_465_tls_comes_first() {
    if let Err(error) = TcpListener::bind(("127.0.0.1", IMPLICIT_TLS_PORT)) {
        eprintln!("not tested: port {IMPLICIT_TLS_PORT} of 127.0.0.1 cannot be listened on ({error})");
        return;
    }
    let certificates = Certificates::new();
    let (key, cert) = (certificates.key(), certificates.certificate());
    let server = SmtpServer::start(json!({
        "port": IMPLICIT_TLS_PORT, "tls": "implicit", "key": key, "cert": cert, "user": USER, "password": PASSWORD,
    }))
    .await;
    let service = Service::with_variables(&certificates.variables(&server, PASSWORD)).await;
    let id = service.notify(ANI, "Hello").await;
    let _ = service.send(id).await.expect(200);
    let mails = server.received(1).await;
    assert_eq!((mails[0].tls, mails[0].user.as_deref()), (true, Some(USER)));

    let untrusting = Certificates::new();
    reason_of_waiting(untrusting.variables(&server, PASSWORD)).await;
    assert_eq!((server.count("auth"), server.count("mail")), (1, 1), "only what was mailed before");
}
