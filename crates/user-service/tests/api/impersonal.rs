//! Accounts without a person: a service opens them without a password, and nobody logs in to them.

use common::config::Mode;
use serde_json::json;

use crate::support::{Balance, PASSWORD, Service, User, assert_documented, assert_names_field, transfer};

#[tokio::test]
async fn a_service_opens_an_account_without_a_password_in_every_mode_and_nobody_else_does() {
    for mode in [Mode::Development, Mode::Production] {
        let service = Service::start_with(|config| config.service.mode = mode).await;
        let body = json!({"full_name": "Platform Fees", "email": "fees@example.com"});
        let user = service.user("john", 0).await;
        if mode == Mode::Development {
            for caller in [&service.anyone, &user.api] {
                assert_names_field(caller.post("/users", body.clone()).await, "missing_field", "password");
            }
        } else {
            let _ = service.anyone.post("/users", body.clone()).await.expect_error(401, "missing_service_token");
            let _ = user.api.post("/users", body.clone()).await.expect_error(403, "forbidden");
        }
        for caller in [&service.anyone, &user.api, &service.service] {
            assert_names_field(caller.post("/auth/register", body.clone()).await, "missing_field", "password");
        }
        let opened = service.service.post("/users", body.clone()).await.expect(201);
        assert_documented(&opened, &json!({"full_name": "Platform Fees", "email": "fees@example.com", "balance": 0}));
        let _ = service.service.post("/users", body).await.expect_error(409, "email_taken");
    }
}

#[tokio::test]
async fn nobody_logs_in_to_it_with_whatever_password() {
    let service = Service::start().await;
    let body = json!({"full_name": "Platform Fees", "email": "fees@example.com", "password": null});
    let path = format!("/users/{}", service.service.post("/users", body).await.expect(201).id());
    for password in ["", " ", "password", PASSWORD, "$argon2id$v=19$m=19456,t=2,p=1$$"] {
        let _ = service.login("fees@example.com", password).await.expect_error(401, "invalid_credentials");
    }
    let proven = json!({"email": "float@example.com", "current_password": ""});
    let _ = service.service.put(&path, proven).await.expect_error(403, "wrong_password");
    // until a service gives it to somebody
    let _ = service.service.put(&path, json!({"password": PASSWORD})).await.expect(200);
    let _ = service.login("fees@example.com", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn everything_else_is_as_with_any_other_account() {
    let service = Service::start().await;
    let email = "float@example.com".to_owned();
    let opened = service.service.post("/users", json!({"full_name": "A Shop's Float", "email": email})).await;
    let float = User { id: opened.expect(201).id(), email, api: service.service.clone() };
    let john = service.user("john", 0).await;
    let _ = float.top_up(100).await.expect(200);
    assert_eq!(service.execute(json!([transfer(1, &float, &john, 60), transfer(2, &john, &float, 10)])).await.len(), 2);
    let _ = float.debit(5).await.expect(200);
    assert_eq!(service.balance(&float).await, Balance::new(45, 0));
    let renamed = float.api.put(&float.path(""), json!({"full_name": "Float", "email": "f@example.com"})).await;
    assert_documented(&renamed.expect(200), &json!({"full_name": "Float", "email": "f@example.com"}));
    assert_eq!(float.api.delete(&float.path("")).await.expect(200)["paid_out"], 45);
    service.assert_ledger_holds().await;
}
