//! Who may call what, in development and in production.

use common::config::Mode;
use harness::http::{Api, Reply};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Service, registration};

async fn in_production() -> Service {
    Service::start_with(|config| config.service.mode = Mode::Production).await
}

/// The requests about an account that are documented with an `Authorization` header.
async fn guarded_requests(api: &Api, id: i64) -> Vec<Reply> {
    let requests = [
        (Method::PUT, "", json!({"full_name": "Mallory"})),
        (Method::POST, "/topup", json!({"amount": 1})),
        (Method::POST, "/debit", json!({"amount": 1})),
        (Method::DELETE, "", Value::Null),
    ];
    let mut replies = Vec::new();
    for (method, below, body) in requests {
        let body = (!body.is_null()).then(|| body.to_string());
        replies.push(api.send(method, &format!("/users/{id}{below}"), body).await);
    }
    replies
}

#[tokio::test]
async fn routes_documented_with_a_header_need_it_in_every_mode() {
    for service in [Service::start().await, in_production().await] {
        let (owner, other) = (service.user("owner", 10).await, service.user("other", 10).await);
        for refused in guarded_requests(&service.anyone, owner.id).await {
            let refused = refused.expect_error(401, "missing_token");
            assert_eq!(refused.header("www-authenticate"), "Bearer");
        }
        for refused in guarded_requests(&other.api, owner.id).await {
            let _ = refused.expect_error(403, "forbidden");
        }
        let untouched = service.service.get(&owner.path("")).await.expect(200);
        assert_eq!((&untouched["full_name"], &untouched["balance"]), (&json!("John Doe"), &json!(10)));
        for done in guarded_requests(&service.service, owner.id).await {
            let _ = done.expect(200);
        }
        for done in guarded_requests(&other.api, other.id).await {
            let _ = done.expect(200);
        }
    }
}

#[tokio::test]
async fn routes_documented_without_a_header_are_open_in_development() {
    let service = Service::start().await;
    let (owner, other) = (service.user("owner", 0).await, service.user("other", 0).await);
    for path in [owner.path(""), owner.path("/balance")] {
        let _ = service.anyone.get(&path).await.expect(200);
        let _ = owner.api.get(&path).await.expect(200);
        let _ = other.api.get(&path).await.expect_error(403, "forbidden");
        let _ = service.anyone.as_user("garbage").get(&path).await.expect_error(401, "invalid_token");
    }
    assert_eq!(service.anyone.get("/users").await.expect(200).json.as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn in_production_an_account_is_shown_to_its_owner_and_to_services() {
    let service = in_production().await;
    let (owner, other) = (service.user("owner", 0).await, service.user("other", 0).await);
    for path in [owner.path(""), owner.path("/balance")] {
        let _ = service.anyone.get(&path).await.expect_error(401, "missing_token");
        let _ = other.api.get(&path).await.expect_error(403, "forbidden");
        let _ = owner.api.get(&path).await.expect(200);
        let _ = service.service.get(&path).await.expect(200);
    }
}

#[tokio::test]
async fn in_production_a_list_holds_only_oneself() {
    let service = in_production().await;
    let (one, two) = (service.user("one", 0).await, service.user("two", 0).await);
    let ids = |reply: Reply| -> Vec<Value> {
        reply.expect(200).json.as_array().expect("a list").iter().map(|user| user["id"].clone()).collect()
    };
    let _ = service.anyone.get("/users").await.expect_error(401, "missing_token");
    assert_eq!(ids(one.api.get("/users").await), [one.id]);
    assert_eq!(ids(two.api.get("/users?limit=1").await), [two.id]);
    assert_eq!(ids(service.service.get("/users").await), [one.id, two.id]);
}

#[tokio::test]
async fn registration_login_and_health_are_open_in_production() {
    let service = in_production().await;
    let _ = service.anyone.post("/auth/register", registration("john@example.com")).await.expect(201);
    let _ = service.login("john@example.com", crate::support::PASSWORD).await.expect(200);
    let _ = service.anyone.get("/health").await.expect(200);
    let _ = service.anyone.get("/ready").await.expect(200);
}

#[tokio::test]
async fn in_production_only_a_service_creates_users_without_registration() {
    let service = in_production().await;
    let _ = service.service.post("/users", registration("jane@example.com")).await.expect(201);
    let john = || registration("john@example.com");
    let _ = service.anyone.post("/users", john()).await.expect_error(401, "missing_service_token");
    let user = service.user("somebody", 0).await;
    let _ = user.api.post("/users", john()).await.expect_error(403, "forbidden");
    let _ = service.login("john@example.com", crate::support::PASSWORD).await.expect_error(401, "invalid_credentials");
}

#[tokio::test]
async fn internal_routes_are_for_services_in_every_mode() {
    for service in [Service::start().await, in_production().await] {
        let user = service.user("john", 0).await;
        let own = format!("/internal/users/{}", user.id);
        let balance = format!("{own}/balance");
        let requests = [
            (Method::GET, own.as_str(), None),
            (Method::GET, "/internal/users", None),
            (Method::GET, "/internal/users?ids=1", None),
            (Method::GET, "/internal/ledger/verify", None),
            (Method::PUT, balance.as_str(), Some(json!({"action": "credit", "amount": 1}).to_string())),
            (Method::POST, "/internal/operations", Some(json!({"operations": []}).to_string())),
        ];
        for (method, path, body) in requests {
            let ask = async |api: &Api| api.send(method.clone(), path, body.clone()).await;
            let _ = ask(&service.anyone).await.expect_error(401, "missing_service_token");
            let _ = ask(&user.api).await.expect_error(403, "forbidden");
            let wrong = service.anyone.clone().with("x-service-token", "wrong");
            let _ = ask(&wrong).await.expect_error(401, "invalid_service_token");
        }
        assert_eq!(service.service.get(&user.path("/balance")).await.expect(200)["balance"], 0);
    }
}
