//! What users are told, and where: once, however often notification-service fails.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use lab::{
    http::{eventually, serve},
    wallet::DEVELOPMENT_TOKEN,
};
use serde_json::{Value, json};

use crate::support::{PASSWORD, Service};

/// A notification-service that fails a number of calls, then keeps what it is told.
#[derive(Clone, Default)]
struct Notifications {
    failures_left: Arc<AtomicU32>,
    told: Arc<Mutex<Vec<Value>>>,
}

impl Notifications {
    async fn start(failures: u32) -> (Self, url::Url) {
        let stub = Self { failures_left: Arc::new(failures.into()), ..Self::default() };
        let receive = |State(stub): State<Self>, headers: HeaderMap, Json(body): Json<Value>| async move {
            stub.receive(&headers, &body)
        };
        let router = Router::new().route("/internal/facts", post(receive)).with_state(stub.clone());
        (stub, serve(router).await.parse().expect("a URL"))
    }

    fn receive(&self, headers: &HeaderMap, body: &Value) -> (StatusCode, Json<Value>) {
        if headers.get("x-service-token").is_none_or(|token| token != DEVELOPMENT_TOKEN) {
            return (StatusCode::UNAUTHORIZED, Json(json!({"code": "invalid_service_token"})));
        }
        let fails = self.failures_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if fails.is_ok() {
            return (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"code": "internal_error"})));
        }
        self.told.lock().unwrap().extend(body["facts"].as_array().expect("a list of facts").iter().cloned());
        (StatusCode::OK, Json(json!({})))
    }

    /// The types and data of what was told.
    fn told(&self) -> Vec<(String, Value)> {
        self.all().iter().map(|fact| (fact["type"].as_str().unwrap().to_owned(), fact["data"].clone())).collect()
    }

    fn all(&self) -> Vec<Value> {
        self.told.lock().unwrap().clone()
    }
}

async fn outbox_empties(service: &Service) {
    let pool = service.database.pool();
    eventually("the outbox to empty", async || {
        let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM outbox").fetch_one(&pool).await.ok()?;
        (left == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_top_up_is_told_once_even_when_the_telling_first_fails() {
    let (notifications, url) = Notifications::start(2).await;
    let service = Service::start_with(|config| config.notification_service_url = url).await;
    let user = service.user("john", 0).await;
    let _ = user.top_up(100_000).await.expect(200);
    service.start_workers();
    outbox_empties(&service).await;
    let data = json!({"user_id": user.id, "amount": 100_000, "reference": null});
    assert_eq!(notifications.told(), [("topup.completed".to_owned(), data)]);
}

#[tokio::test]
async fn only_a_top_up_that_took_effect_is_told() {
    let (notifications, url) = Notifications::start(0).await;
    let service = Service::start_with(|config| config.notification_service_url = url).await;
    let user = service.user("john", 1000).await;
    let keyed = user.api.keyed("key");
    for _ in 0..2 {
        let _ = keyed.post(&user.path("/topup"), json!({"amount": "1234.5"})).await.expect(200);
    }
    let _ = user.debit(10).await.expect(200);
    let _ = user.top_up(0).await.expect_error(400, "invalid_amount");
    let _ = service.service.post("/users/999999/topup", json!({"amount": 1})).await.expect_error(404, "user_not_found");
    let _ = service.service.post(&user.path("/topup"), json!({"amount": 2})).await.expect(200);
    service.start_workers();
    outbox_empties(&service).await;
    let change =
        |kind: &str, amount: Value| (kind.to_owned(), json!({"user_id": user.id, "amount": amount, "reference": null}));
    let expected = [
        change("topup.completed", json!(1234.5)),
        change("debit.completed", json!(10)),
        change("topup.completed", json!(2)),
    ];
    assert_eq!(notifications.told(), expected);
    let actors: Vec<Value> = notifications.all().iter().map(|fact| fact["actor"].clone()).collect();
    let own = format!("user:{}", user.id);
    assert_eq!(actors, [own.as_str(), own.as_str(), "service"], "it says who did it");
}

#[tokio::test]
async fn whoever_had_the_account_is_warned_of_what_becomes_of_it() {
    let (notifications, url) = Notifications::start(1).await;
    let service = Service::start_with(|config| config.notification_service_url = url).await;
    let user = service.user("john", 10_000).await;
    let path = user.path("");
    let change = async |body: Value| drop(service.service.put(&path, body).await.expect(200));
    let _ = user.debit(1_000).await.expect(200);
    let debit = json!({"action": "debit", "amount": 2_000, "reference": "order 7"});
    let _ = service.service.put(&format!("/internal{path}/balance"), debit).await.expect(200);
    let _ = user.debit(1_000_000).await.expect_error(400, "insufficient_balance");
    // no change at all, or none that anybody must hear of
    change(json!({"email": " JOHN@example.com "})).await;
    change(json!({"full_name": "Thief"})).await;
    let taken = service.user("jane", 0).await;
    let _ = service.service.put(&path, json!({"email": taken.email})).await.expect_error(409, "email_taken");

    let body = json!({"email": "thief@example.com", "password": "another-password", "current_password": PASSWORD});
    let _ = user.api.put(&path, body).await.expect(200);
    change(json!({"password": "a-third-password"})).await;
    for state in ["frozen", "frozen", "locked", "active"] {
        let _ =
            service.service.put(&user.path("/state"), json!({"state": state, "reason": "A test."})).await.expect(200);
    }
    let closed = service.service.delete(&path).await.expect(200);
    assert_eq!(closed.json, json!({"message": "User deleted successfully", "paid_out": 7_000}));
    let _ = service.service.delete(&taken.path("")).await.expect(200);
    service.start_workers();
    outbox_empties(&service).await;
    let warned: Vec<(Value, Value, Value)> = notifications
        .all()
        .iter()
        .filter(|fact| fact["address"].is_string())
        .map(|fact| (fact["address"].clone(), fact["type"].clone(), fact["data"].clone()))
        .collect();
    let (id, other) = (user.id, taken.id);
    let expected = [
        ("john@example.com", "debit.completed", json!({"user_id": id, "amount": 1_000, "reference": null})),
        ("john@example.com", "debit.completed", json!({"user_id": id, "amount": 2_000, "reference": "order 7"})),
        ("john@example.com", "security.password_changed", json!({"user_id": id})),
        ("john@example.com", "security.email_changed", json!({"user_id": id})),
        ("thief@example.com", "security.password_changed", json!({"user_id": id})),
        ("thief@example.com", "user.frozen", json!({"user_id": id})),
        ("thief@example.com", "user.locked", json!({"user_id": id})),
        ("thief@example.com", "user.unfrozen", json!({"user_id": id})),
        ("thief@example.com", "user.closed", json!({"user_id": id, "paid_out": 7_000})),
        ("jane@example.com", "user.closed", json!({"user_id": other, "paid_out": 0})),
    ];
    assert_eq!(warned, expected.map(|(address, kind, data)| (json!(address), json!(kind), data)));
}

#[tokio::test]
async fn money_moves_while_notification_service_is_away() {
    let service = Service::start_with(|config| {
        config.notification_service_url =
            format!("http://127.0.0.1:{}", lab::ports::free_port()).parse().expect("a URL");
    })
    .await;
    service.start_workers();
    let user = service.user("john", 0).await;
    assert_eq!(user.top_up(100).await.expect(200)["balance"], 100);
    let waiting: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM outbox").fetch_one(&service.database.pool()).await.expect("a count");
    assert_eq!(waiting, 1, "what could not be told yet is kept");
}
