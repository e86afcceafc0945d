//! Who may call what.

use harness::http::{Api, Reply};
use serde_json::json;

use crate::support::{
    service::{Service, pluck},
    users::{ANI, BUDI},
};

/// Every route that is about one notification.
const ROUTES: [&str; 5] = ["GET", "PUT", "send", "resend", "DELETE"];

async fn call(api: &Api, route: &str, id: i64) -> Reply {
    let path = format!("/notifications/{id}");
    match route {
        "GET" => api.get(&path).await,
        "PUT" => api.put(&path, json!({"status": "failed"})).await,
        "DELETE" => api.delete(&path).await,
        action => api.post_empty(&format!("{path}/{action}")).await,
    }
}

#[tokio::test]
async fn creating_needs_the_service_token_in_every_mode() {
    for service in [Service::start().await, Service::in_production().await] {
        let body = json!({"user_id": ANI, "message": "Hello"});
        let create = async |api: Api| api.post("/notifications", body.clone()).await;
        let missing = create(service.api.clone()).await.expect_error(401, "missing_service_token");
        assert_eq!(missing.header("www-authenticate"), "Bearer");
        let wrong = service.api.clone().with("x-service-token", "wrong");
        let _ = create(wrong).await.expect_error(401, "invalid_service_token");
        let _ = create(service.as_user(ANI)).await.expect_error(403, "forbidden");
        let _ = create(service.api.as_service()).await.expect(201);
    }
}

#[tokio::test]
async fn in_production_nobody_in_particular_gets_401() {
    let service = Service::in_production().await;
    let id = service.notify(ANI, "Hello").await;
    for route in ROUTES {
        let _ = call(&service.api, route, id).await.expect_error(401, "missing_token");
    }
    let _ = service.api.get("/notifications").await.expect_error(401, "missing_token");
    assert_eq!(service.show(id).await["status"], "pending");
}

#[tokio::test]
async fn in_production_somebody_else_gets_403() {
    let service = Service::in_production().await;
    let id = service.notify(ANI, "Hello").await;
    for route in ROUTES {
        let _ = call(&service.as_user(BUDI), route, id).await.expect_error(403, "forbidden");
    }
    assert_eq!(service.show(id).await["status"], "pending");
    assert!(service.files().is_empty(), "nothing was mailed");
}

#[tokio::test]
async fn in_production_owner_and_service_may_do_everything() {
    let service = Service::in_production().await;
    for api in [service.as_user(ANI), service.api.as_service()] {
        let id = service.notify_failed(ANI, "Hello").await;
        for route in ROUTES {
            // PUT sets it to failed, send mails it, and what is sent cannot be sent again.
            let expected = if route == "resend" { 409 } else { 200 };
            let _ = call(&api, route, id).await.expect(expected);
        }
        let again = service.notify_failed(ANI, "Hello").await;
        let _ = call(&api, "resend", again).await.expect(200);
    }
}

#[tokio::test]
async fn in_production_a_list_holds_only_what_the_caller_may_see() {
    let service = Service::in_production().await;
    let mut own = Vec::new();
    for n in 1..=3 {
        own.insert(0, json!(service.notify(ANI, &format!("For Ani {n}")).await));
        service.notify(BUDI, &format!("For Budi {n}")).await;
    }
    let ani = service.as_user(ANI);
    let first = ani.get("/notifications?limit=2").await.expect(200);
    assert_eq!(pluck(&first.json, "id"), own[..2]);
    let rest = ani.get(&first.next().expect("a second page")).await.expect(200);
    assert_eq!((pluck(&rest.json, "id"), rest.next()), (own[2..].to_vec(), None));
    let all = service.api.as_service().get("/notifications").await.expect(200);
    assert_eq!(pluck(&all.json, "id").len(), 6);
}

#[tokio::test]
async fn in_development_the_routes_without_a_documented_header_are_open() {
    let service = Service::start().await;
    let id = service.notify_failed(ANI, "Hello").await;
    for route in ["GET", "PUT", "resend", "send", "DELETE"] {
        let _ = call(&service.api, route, id).await.expect(200);
    }
    let _ = service.api.get("/notifications").await.expect(200);
}

#[tokio::test]
async fn a_credential_that_is_shown_must_be_right_even_where_none_is_needed() {
    let service = Service::start().await;
    let id = service.notify(ANI, "Hello").await;
    let _ = call(&service.api.as_user("nonsense"), "GET", id).await.expect_error(401, "invalid_token");
    let wrong = service.api.clone().with("x-service-token", "wrong");
    let _ = call(&wrong, "GET", id).await.expect_error(401, "invalid_service_token");
    let _ = call(&service.as_user(BUDI), "GET", id).await.expect_error(403, "forbidden");
}

#[tokio::test]
async fn the_hand_over_of_events_needs_the_service_token() {
    for service in [Service::start().await, Service::in_production().await] {
        let body = json!({"events": [{"event_id": "a", "user_id": ANI, "message": "Hello"}]});
        let hand_over = async |api: Api| api.post("/internal/notifications", body.clone()).await;
        let _ = hand_over(service.api.clone()).await.expect_error(401, "missing_service_token");
        let _ = hand_over(service.as_user(ANI)).await.expect_error(403, "forbidden");
        let _ = hand_over(service.api.as_service()).await.expect(200);
    }
}
