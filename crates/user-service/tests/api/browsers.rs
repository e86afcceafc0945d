//! What browsers are told: to guess no types, to keep nothing, to show nothing in frames, and whose pages may call.

use common::config::Mode;
use lab::http::{Api, Reply};
use reqwest::Method;

use crate::support::Service;

const PAGE: &str = "https://app.example.com";

async fn preflight(anyone: &Api, origin: &str) -> Reply {
    let asking = anyone.clone().with("origin", origin).with("access-control-request-method", "POST");
    let asking = asking.with("access-control-request-headers", "authorization,content-type,idempotency-key");
    asking.send(Method::OPTIONS, "/users/1/topup", None).await
}

#[tokio::test]
async fn every_answer_keeps_browsers_from_guessing_keeping_and_framing() {
    let service = Service::start().await;
    for path in ["/health", "/users", "/users/999", "/nowhere"] {
        let reply = service.anyone.get(path).await;
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(reply.header("cache-control"), "no-store", "{path}");
        assert_eq!(reply.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'", "{path}");
    }
}

#[tokio::test]
async fn in_development_pages_of_this_machine_may_call_from_any_port() {
    let service = Service::start().await;
    for page in ["http://localhost:3000", "http://127.0.0.1:5173", "https://localhost", "http://[::1]:8080"] {
        let reply = preflight(&service.anyone, page).await.expect(200);
        assert_eq!(reply.header("access-control-allow-origin"), page);
        assert!(reply.header("access-control-allow-headers").contains("x-service-token"));
    }
    for stranger in [PAGE, "http://localhost.evil.example", "http://127.0.0.1.evil.example", "file://", "null"] {
        let reply = preflight(&service.anyone, stranger).await;
        assert_eq!(reply.header("access-control-allow-origin"), "", "{stranger}");
    }
}

#[tokio::test]
async fn in_production_no_page_may_call_unless_its_origin_is_listed() {
    let production = |config: &mut user_service::Config| config.service.mode = Mode::Production;
    let service = Service::start_with(production).await;
    for page in [PAGE, "http://localhost:3000"] {
        let reply = preflight(&service.anyone, page).await.expect_error(405, "method_not_allowed");
        assert_eq!(reply.header("access-control-allow-origin"), "");
    }

    let service = Service::start_with(|config| {
        config.service.http.cors_origins = vec![PAGE.parse().unwrap()];
        production(config);
    });
    let service = service.await;
    let reply = preflight(&service.anyone, PAGE).await.expect(200);
    assert_eq!(reply.header("access-control-allow-origin"), PAGE);
    assert!(reply.header("access-control-allow-headers").contains("idempotency-key"));
    assert!(reply.header("access-control-allow-methods").contains("POST"));
    assert_eq!(preflight(&service.anyone, "https://evil.example").await.header("access-control-allow-origin"), "");
    let answer = service.anyone.clone().with("origin", PAGE).get("/health").await.expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), PAGE);
    assert!(answer.header("access-control-expose-headers").contains("idempotent-replayed"));
    assert_eq!(answer.header("access-control-allow-credentials"), "", "tokens stand in a header, not in cookies");
}
