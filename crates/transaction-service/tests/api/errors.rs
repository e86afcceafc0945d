//! What every route has in common: JSON for every error, the request's identity, liveness.

use lab::{
    http::{Api, serve},
    ports::free_port,
};
use reqwest::Method;
use serde_json::json;
use transaction_service::{AppState, app};

use crate::support::{Service, development, payment};

#[tokio::test]
async fn errors_of_the_router_are_json_too() {
    let service = Service::start().await;
    let _ = service.anyone.get("/nowhere").await.expect_error(404, "route_not_found");
    let wrong = service.anyone.send(Method::PATCH, "/transactions/1", None).await;
    assert!(wrong.expect_error(405, "method_not_allowed").header("allow").contains("PUT"));
    let _ = service.service.post_empty("/transactions").await.expect_error(415, "unsupported_media_type");
    let mut huge = payment(1);
    huge["description"] = json!("d".repeat(64 * 1024));
    let _ = service.create(huge).await.expect_error(413, "body_too_large");
}

#[tokio::test]
async fn the_identity_of_a_request_goes_with_it_to_user_service() {
    let service = Service::start().await;
    let named = service.service.clone().with("x-request-id", "checkout-17");
    let created = named.post("/transactions", payment(1)).await.expect(201);
    assert_eq!(created.header("x-request-id"), "checkout-17");
    let decided = service.decide(created.id(), "completed").await.expect(200);
    let passed: Vec<String> = service.users.calls().into_iter().map(|call| call.request_id).collect();
    assert_eq!(passed, ["checkout-17", decided.header("x-request-id")]);
    let spaced = service.service.clone().with("x-request-id", "two words");
    assert_ne!(spaced.get("/transactions").await.expect(200).header("x-request-id"), "two words");
}

#[tokio::test]
async fn a_live_service_says_so() {
    let service = Service::start().await;
    let health = service.anyone.get("/health").await.expect(200);
    assert_eq!(health.json, json!({"status": "ok", "service": "transaction-service"}));
    let _ = service.anyone.get("/ready").await.expect(200);
}

#[tokio::test]
async fn without_its_database_a_service_is_alive_but_not_ready() {
    let mut config = development();
    config.service.database.host = "127.0.0.1".to_owned();
    config.service.database.port = free_port();
    let api = Api::new(serve(app(AppState::new(&config))).await).as_service();
    let (health, ready, list, payment) = tokio::join!(
        api.get("/health"),
        api.get("/ready"),
        api.get("/transactions"),
        api.post("/transactions", payment(1))
    );
    let _ = health.expect(200);
    let ready = ready.expect_error(503, "not_ready");
    assert_eq!(ready["missing"], "database");
    let unavailable = [list, payment].map(|reply| reply.expect_error(503, "database_unavailable"));
    for reply in [&ready, &unavailable[0], &unavailable[1]] {
        assert!(!reply.header("retry-after").is_empty(), "{}", reply.text);
    }
}

#[tokio::test]
async fn what_no_database_can_hold_is_400() {
    let service = Service::start().await;
    for (path, field) in [
        ("/transactions/%ff", "id"),
        ("/transactions/user/%ff", "id"),
        ("/transactions?from=-0001-01-01T00:00:00Z", "from"),
        ("/transactions?to=%2B10000-01-01T00:00:00Z", "to"),
        ("/transactions?to=2016-12-31T23:59:60Z", "to"),
    ] {
        let refused = service.anyone.get(path).await.expect_error(400, "invalid_value");
        assert!(refused["fields"][field].is_string(), "{path}: {}", refused.text);
    }
}
