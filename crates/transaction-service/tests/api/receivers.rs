//! `receiver_email`: paying somebody by an address in place of a number.

use lab::http::Reply;
use serde_json::{Value, json};

use crate::{
    peers::unreachable,
    support::{RECEIVER, SENDER, Service, assert_documented, assert_names_field, payment},
};

const JANE: &str = "jane@example.com";

/// The body of a payment to an address.
fn to(email: &str) -> Value {
    json!({"sender_id": SENDER, "receiver_email": email, "amount": 10_000, "description": "Lunch"})
}

async fn service() -> Service {
    let service = Service::start().await;
    service.users.has_address(RECEIVER, JANE);
    service.users.has_address(SENDER, "john@example.com");
    service
}

#[track_caller]
fn assert_names_both(reply: Reply, code: &str) {
    let reply = reply.expect_error(400, code);
    let named: Vec<&String> = reply["fields"].as_object().expect("fields").keys().collect();
    assert_eq!(named, ["receiver_email", "receiver_id"], "{}", reply.text);
}

#[tokio::test]
async fn the_account_with_the_address_is_paid() {
    let service = service().await;
    let paid = service.create(to(" Jane@EXAMPLE.com")).await.expect(201);
    assert_documented(&paid, &json!({"sender_id": SENDER, "receiver_id": RECEIVER, "status": "pending"}));
    let mut body = to(JANE);
    body["receiver_id"] = Value::Null;
    body["auto_complete"] = json!(true);
    let paid = service.user(SENDER).post("/transactions", body).await.expect(201);
    assert_documented(&paid, &json!({"receiver_id": RECEIVER, "status": "completed"}));
    assert_eq!(service.users.lookups(), [None, Some(SENDER)], "services are free, users are counted");
}

#[tokio::test]
async fn exactly_one_of_number_and_address_names_the_receiver() {
    let service = service().await;
    let mut both = payment(1);
    both["receiver_email"] = json!(JANE);
    assert_names_both(service.create(both).await, "invalid_value");
    for none in [json!({"sender_id": 1, "amount": 1}), json!({"sender_id": 1, "receiver_id": null, "amount": 1})] {
        assert_names_both(service.create(none).await, "missing_field");
    }
    assert_names_field(service.create(to("jane")).await, "invalid_value", "receiver_email");
    assert_names_field(service.create(to("john@example.com")).await, "self_transfer", "receiver_email");
    assert_eq!(service.users.verbs(), Vec::<String>::new());
}

#[tokio::test]
async fn an_address_of_nobody_is_404_and_keeps_nothing() {
    let service = service().await;
    let keyed = service.service.keyed("lunch");
    let refused = keyed.post("/transactions", to("nobody@example.com")).await.expect_error(404, "user_not_found");
    assert_eq!(refused["fields"], json!({"receiver_email": "belongs to no account"}));
    assert_eq!(service.anyone.get("/transactions").await.expect(200).json, json!([]));
    service.users.has_address(RECEIVER, "nobody@example.com");
    let _ = keyed.post("/transactions", to("nobody@example.com")).await.expect(201);
}

#[tokio::test]
async fn a_replay_is_of_the_first_payment_although_the_address_has_changed_hands() {
    let service = service().await;
    let keyed = service.user(SENDER).keyed("lunch");
    let first = keyed.post("/transactions", to(JANE)).await.expect(201);
    service.users.has_address(7, JANE);
    let again = keyed.post("/transactions", to("JANE@example.com")).await.expect(201);
    assert_eq!((again.header("idempotent-replayed"), &again.text), ("true", &first.text));
    assert_eq!(service.users.lookups().len(), 1, "a replay asks nobody");
    for other in [payment(10_000), to("john@example.com"), to("nobody@example.com")] {
        let mut other = other;
        other["description"] = json!("Lunch");
        let reply = keyed.post("/transactions", other).await;
        let _ = reply.expect_error(422, "idempotency_key_reused");
    }
    assert_eq!(keyed.clone().keyed("dinner").post("/transactions", to(JANE)).await.expect(201)["receiver_id"], 7);
}

#[tokio::test]
async fn whoever_has_asked_for_too_many_addresses_waits() {
    let service = service().await;
    service.users.refuses_lookups(42);
    let refused = service.user(SENDER).post("/transactions", to(JANE)).await.expect_error(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), "42");
    let _ = service.create(payment(1)).await.expect(201);
}

#[tokio::test]
async fn without_user_service_nothing_is_made() {
    let service = Service::start_with_users_at(unreachable()).await;
    let refused = service.create(to(JANE)).await.expect_error(503, "service_unavailable");
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(service.anyone.get("/transactions").await.expect(200).json, json!([]));
}

#[tokio::test]
async fn only_the_sender_asks_for_an_address() {
    let service = service().await;
    let _ = service.user(9).post("/transactions", to(JANE)).await.expect_error(403, "forbidden");
    let _ = service.anyone.post("/transactions", to(JANE)).await.expect_error(401, "missing_token");
    assert_eq!(service.users.lookups(), []);
}
