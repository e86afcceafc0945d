//! What never stands in a log, a metric or a trace, however much is logged: passwords, tokens, addresses, what users are told.

use std::{fs, time::Duration};

use lab::{collector::Collector, http::eventually, smtp::SmtpServer, wallet::Service, world::World};
use serde_json::json;

/// What is planted wherever a caller can plant it. It begins with the words that none of the wallet's own do.
const CANARY: &str = "canary";

/// `JWT_SECRET`; that it is the services' own is shown by the tokens.
const JWT_SECRET: &str = "the-secret-by-which-the-tokens-of-this-test-are-signed";

#[tokio::test]
async fn no_log_has_a_password_a_token_an_address_or_a_message() {
    // its refusals quote the address
    let mail = SmtpServer::start(json!({"refuse": "canary-refused", "defer": "canary-deferred"})).await;
    let collector = Collector::start().await;
    let mut variables = Service::ALL.map(|service| (service, "RUST_LOG", "debug")).to_vec();
    let smtp = mail.variables();
    variables.extend(smtp.iter().map(|(name, value)| (Service::Notification, *name, value.as_str())));
    variables.extend(Service::ALL.map(|service| (service, "OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url)));
    variables.push((Service::Notification, "MAIL_MAX_ATTEMPTS", "2"));
    variables.extend(Service::ALL.map(|service| (service, "JWT_SECRET", JWT_SECRET)));
    let mut world = World::start_with(&variables).await;
    let users = world.api(Service::User);

    let mut secrets = vec![world.wallet.service_token().to_owned(), JWT_SECRET.to_owned()];
    let mut people = Vec::new();
    for kind in ["refused", "deferred", "sound"] {
        let email = format!("{CANARY}-{kind}@example.com");
        let password = format!("{CANARY} password of {kind}");
        let account = json!({"full_name": format!("{CANARY} {kind}"), "email": email, "password": password});
        let id = users.post("/auth/register", account.clone()).await.expect(201).id();
        let _ = users.post("/auth/register", account).await.expect(409);
        let _ = users.post("/auth/login", json!({"email": email, "password": CANARY})).await.expect(401);
        let login = json!({"email": email, "password": password});
        let token = users.post("/auth/login", login).await.expect(200)["access_token"].as_str().unwrap().to_owned();
        people.push((id, token.clone()));
        secrets.push(token);
    }

    // right and wrong requests with them, at every service
    for service in Service::ALL {
        let api = world.api(service);
        let broken = format!(r#"{{"email": "{CANARY}@example.com", "password": "{CANARY}"#);
        let _ = api.post_text("/auth/login", &broken).await;
        let _ = api.post_text("/transactions", &broken).await;
        for wrong in [api.as_user(CANARY), api.clone().with("x-service-token", CANARY), api.keyed(CANARY)] {
            let _ = wrong.get(&format!("/users?email={CANARY}")).await;
            let _ = wrong.post("/transactions", json!({"description": CANARY, "amount": CANARY})).await;
        }
    }
    let (payer, payer_token) = &people[2];
    let api = users.as_user(payer_token);
    let _ = world.service(Service::User).get(&format!("/users/{payer}")).await.expect(200); // one without a name
    let _ = api.post(&format!("/users/{payer}/topup"), json!({"amount": 10})).await.expect(200);
    let new_password = json!({
        "password": format!("{CANARY} new password"),
        "email": format!("{CANARY}-other@example.com"),
        "current_password": format!("{CANARY} password of sound"),
    });
    let wrong = json!({"password": format!("{CANARY} another"), "current_password": format!("{CANARY} wrong")});
    let transaction = json!({"sender_id": payer, "receiver_id": people[0].0, "amount": 1, "description": CANARY});
    let _ = world.service(Service::Transaction).post("/transactions", transaction).await.expect(201);
    let _ = api.put(&format!("/users/{payer}"), wrong).await.expect_error(403, "wrong_password");
    let _ = api.put(&format!("/users/{payer}"), new_password).await.expect(200);
    for (id, _) in &people {
        let told = json!({"user_id": id, "message": format!("{CANARY} message")});
        let _ = world.service(Service::Notification).post("/notifications", told).await.expect(201);
    }
    eventually("the mails to be refused", async || {
        let list = world.service(Service::Notification).get("/notifications").await.expect(200);
        let failed = list.json.as_array().unwrap().iter().filter(|told| told["status"] == "failed").count();
        (failed >= 2).then_some(())
    })
    .await;
    let mut shown = String::new();
    for service in Service::ALL {
        shown += &world.api(service).get("/metrics").await.expect(200).text;
    }
    // and while the other services are away
    world.wallet.kill(Service::User);
    let _ = world.service(Service::Report).get(&format!("/summaries/user/{payer}")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.wallet.stop().await;

    let log = fs::read_to_string(world.wallet.log(Service::User)).unwrap();
    for caller in [format!("user:{payer}"), "service".into(), "service:transaction-service".into(), "anyone".into()] {
        assert!(log.contains(&format!("caller={caller}}}")), "{caller} is not in the log");
    }

    let leaks = |text: &str| text.contains(CANARY) || secrets.iter().any(|secret| text.contains(secret.as_str()));
    assert!(shown.contains("mails_total") && !leaks(&shown), "{shown}");
    let traced = String::from_utf8_lossy(&collector.bytes()).into_owned();
    assert!(traced.contains("POST /notifications") && !leaks(&traced), "{traced}");
    for service in Service::ALL {
        let log = fs::read_to_string(world.wallet.log(service)).unwrap();
        assert!(log.contains("DEBUG") && log.lines().count() > 10, "{} does not log", service.name());
        for line in log.lines() {
            assert!(!leaks(line), "{}: {line}", service.name());
        }
    }
}
