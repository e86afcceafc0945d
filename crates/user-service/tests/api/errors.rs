//! What every route has in common: JSON for every error, the request's identity, liveness.

use common::client::http_client;
use lab::{
    http::{Api, serve},
    ports::free_port,
};
use reqwest::Method;
use serde_json::json;
use user_service::{AppState, app};

use crate::support::{Service, assert_names_field, development, registration};

#[tokio::test]
async fn an_unknown_route_is_404_and_a_wrong_method_405() {
    let service = Service::start().await;
    for path in ["/nowhere", "/users/1/nothing", "/users/", "/auth"] {
        let _ = service.anyone.get(path).await.expect_error(404, "route_not_found");
    }
    for (method, path, allowed) in [
        (Method::DELETE, "/users", "GET"),
        (Method::GET, "/auth/login", "POST"),
        (Method::PATCH, "/users/1", "PUT"),
        (Method::POST, "/health", "GET"),
    ] {
        let refused = service.anyone.send(method, path, None).await.expect_error(405, "method_not_allowed");
        assert!(refused.header("allow").contains(allowed), "{path} allows {}", refused.header("allow"));
    }
}

#[tokio::test]
async fn the_front_sends_browsers_to_the_page_and_tells_others_what_is_where() {
    let service = Service::start().await;
    let front = service.anyone.get("/").await.expect(200);
    assert_eq!((&front["service"], &front["links"]["docs"]), (&json!("user-service"), &json!("/docs")));
    assert!(front["version"].is_string(), "{}", front.text);
    for link in front["links"].as_object().expect("links").values() {
        let _ = service.anyone.get(link.as_str().expect("a path")).await.expect(200);
    }
    // this client follows no redirect
    let browser = service.anyone.clone().with("accept", "text/html,application/xhtml+xml,*/*;q=0.8").get("/").await;
    assert_eq!(browser.expect(303).header("location"), "docs");
    assert_eq!(service.anyone.get("/favicon.ico").await.expect(200).header("content-type"), "image/svg+xml");
}

#[tokio::test]
async fn a_body_over_64_kib_is_413() {
    let service = Service::start().await;
    let mut body = registration("john@example.com");
    body["full_name"] = json!("n".repeat(64 * 1024));
    let _ = service.anyone.post("/auth/register", body.clone()).await.expect_error(413, "body_too_large");
    body["full_name"] = json!("n".repeat(60 * 1024));
    assert_names_field(service.anyone.post("/auth/register", body).await, "invalid_value", "full_name");
}

#[tokio::test]
async fn a_body_that_is_not_said_to_be_json_is_415() {
    let service = Service::start().await;
    let _ = service.anyone.post_empty("/auth/login").await.expect_error(415, "unsupported_media_type");
    let url = serve(app(AppState::new(&development()))).await + "/auth/login";
    for (content_type, status) in [
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/json; charset=utf-8", 400),
        ("Application/JSON", 400),
    ] {
        let request = http_client().post(&url).header("content-type", content_type).body("{}");
        assert_eq!(request.send().await.expect("an answer").status().as_u16(), status, "{content_type}");
    }
}

#[tokio::test]
async fn what_is_no_json_object_is_400() {
    let service = Service::start().await;
    for (body, code) in [
        ("", "malformed_json"),
        ("{", "malformed_json"),
        ("{'email':'john@example.com'}", "malformed_json"),
        (r#"{"email":"john@example.com",}"#, "malformed_json"),
        (r#"{"email":"\ud800","password":"password123"}"#, "malformed_json"),
        (r#"{"email":"john@example.com","password":"password123"} x"#, "malformed_json"),
        ("null", "invalid_body"),
        ("3", "invalid_body"),
        (r#""text""#, "invalid_body"),
        ("[[]]", "invalid_body"),
    ] {
        let refused = service.anyone.post_text("/auth/login", body).await;
        assert_eq!((refused.status.as_u16(), &refused["code"]), (400, &json!(code)), "{body}: {}", refused.text);
        for inside in ["serde", " line ", " column ", "struct"] {
            assert!(!refused.text.contains(inside), "{}", refused.text);
        }
    }
}

#[tokio::test]
async fn every_answer_names_its_request() {
    let service = Service::start().await;
    let asked = async |id: &str| service.anyone.clone().with("x-request-id", id).get("/users/999999").await;
    let sane = ["a", "req-1_2.3", &"x".repeat(64)];
    for id in sane {
        let reply = asked(id).await.expect_error(404, "user_not_found");
        assert_eq!((reply.header("x-request-id"), &reply["request_id"]), (id, &json!(id)));
    }
    for id in ["", "two words", "a\"b", "<script>", &"x".repeat(65)] {
        let reply = asked(id).await.expect_error(404, "user_not_found");
        assert_ne!(reply.header("x-request-id"), id);
        assert!(!reply.header("x-request-id").is_empty());
        assert_eq!(reply["request_id"], reply.header("x-request-id"));
    }
    let (one, two) = (service.anyone.get("/users").await, service.anyone.get("/users").await);
    assert!(!one.header("x-request-id").is_empty());
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
}

#[tokio::test]
async fn a_live_service_says_so() {
    let service = Service::start().await;
    let health = service.anyone.get("/health").await.expect(200);
    assert_eq!(health.json, json!({"status": "ok", "service": "user-service"}));
    let _ = service.anyone.get("/ready").await.expect(200);
}

#[tokio::test]
async fn without_its_database_a_service_is_alive_but_not_ready() {
    let mut config = development();
    config.service.database.host = "127.0.0.1".to_owned();
    config.service.database.port = free_port();
    let api = Api::new(serve(app(AppState::new(&config))).await).as_service();
    let keyed = api.keyed("key");
    let top_up = keyed.post("/users/1/topup", json!({"amount": 1}));
    let (health, ready, list, top_up) = tokio::join!(api.get("/health"), api.get("/ready"), api.get("/users"), top_up);
    let _ = health.expect(200);
    let ready = ready.expect_error(503, "not_ready");
    assert_eq!(ready["missing"], "database");
    for unavailable in
        [ready, list.expect_error(503, "database_unavailable"), top_up.expect_error(503, "database_unavailable")]
    {
        assert!(!unavailable.header("retry-after").is_empty(), "{}", unavailable.text);
    }
}
