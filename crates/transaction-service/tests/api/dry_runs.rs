//! `?dry_run=true`: what a request would come to is answered by the rules of the real one, and nothing is written.

use lab::http::Api;
use serde_json::{Value, json};

use crate::{
    peers::{Reaction, tried_balances, unreachable},
    support::{RECEIVER, SENDER, Service, assert_documented, assert_names_field, immediate, payment},
};

/// Every row of everything that a transaction writes.
async fn picture(service: &Service) -> Vec<String> {
    let mut rows = Vec::new();
    for all in [
        "SELECT CONCAT_WS(' ', id, status, version, step, updated_at, changed_at, due_at) FROM transactions ORDER BY id",
        "SELECT CONCAT_WS(' ', 'captures', COUNT(*)) FROM captures",
        "SELECT CONCAT_WS(' ', 'outbox', COUNT(*)) FROM outbox",
        "SELECT CONCAT_WS(' ', 'keys', COUNT(*)) FROM idempotency_keys",
    ] {
        let found: Vec<String> = sqlx::query_scalar(all).fetch_all(&service.pool()).await.expect("rows");
        rows.extend(found);
    }
    rows
}

/// What `method path?dry_run=true` answers, which has changed nothing and asked user-service for nothing.
async fn try_out(service: &Service, api: &Api, method: &str, path: &str, body: &Value) -> lab::http::Reply {
    let (before, calls) = (picture(service).await, service.users.calls().len());
    let path = format!("{path}?dry_run=true");
    let tried = api.keyed("k-1").send(method.parse().unwrap(), &path, Some(body.to_string())).await;
    assert_eq!((picture(service).await, service.users.calls().len()), (before, calls), "{path}: {}", tried.text);
    tried
}

/// Tries a request, makes it, and fails unless both are answered alike.
async fn alike(service: &Service, api: &Api, method: &str, path: &str, body: Value, status: u16) {
    let tried = try_out(service, api, method, path, &body).await.expect(status).json;
    let real = api.keyed("k-1").send(method.parse().unwrap(), path, Some(body.to_string())).await.expect(status).json;
    let mut expected = real.clone();
    let members = expected.as_object_mut().unwrap();
    for of_its_own in ["id", "transaction_id", "request_id", "created_at", "updated_at"] {
        members.remove(of_its_own);
    }
    if status < 300 {
        members.insert("dry_run".into(), json!(true));
        members.insert("fee".into(), json!(0));
        members.insert("balances".into(), tried_balances());
        assert!(tried["created_at"].is_string() && tried["updated_at"].is_string(), "{tried}");
    }
    let mut shown = tried.clone();
    for of_its_own in ["request_id", "created_at", "updated_at"] {
        shown.as_object_mut().unwrap().remove(of_its_own);
    }
    assert_eq!(shown, expected, "{method} {path} {body}");
}

#[tokio::test]
async fn payments_are_answered_as_if_they_were_made() {
    let service = Service::start().await;
    let mut later = payment(10);
    later["execute_at"] = json!("2099-01-01T00:00:00Z");
    alike(&service, &service.user(SENDER), "POST", "/transactions", later.clone(), 400).await;
    later["execute_at"] = json!(money::time::written(money::time::now() + chrono::TimeDelta::days(1)));
    service.users.has_address(RECEIVER, "budi@example.com");
    let by_address =
        json!({"sender_id": SENDER, "receiver_email": "budi@example.com", "amount": 5, "reference": "INV-7"});
    for (n, body) in [payment(10_000), immediate(10_000), later, by_address].into_iter().enumerate() {
        let api = if n % 2 == 0 { service.user(SENDER) } else { service.service.clone() };
        let api = api.with("x-service-name", &format!("shop-{n}"));
        alike(&service, &api, "POST", "/transactions", body, 201).await;
        service.run("UPDATE transactions SET request = CONCAT('done ', id)").await;
    }
    let shown: Vec<i64> = service.users.tried().iter().map(|body| body["user_id"].as_i64().unwrap()).collect();
    assert_eq!(shown, [SENDER; 4], "a service sees the sender's");
}

#[tokio::test]
async fn what_would_be_refused_is_refused_alike() {
    let service = Service::start().await;
    let api = service.user(SENDER);
    for (code, status) in [
        ("insufficient_balance", 400),
        ("account_frozen", 403),
        ("account_locked", 403),
        ("user_not_found", 404),
        ("receiver_not_found", 404),
        ("receiver_unavailable", 409),
    ] {
        for (verb, body) in [("hold", payment(10_000)), ("transfer", immediate(10_000))] {
            service.users.on(verb, Reaction::Refuses(code));
            alike(&service, &api, "POST", "/transactions", body, status).await;
            service.run("UPDATE transactions SET request = CONCAT('done ', id)").await;
        }
    }
    let details = json!({"limit": "per_day", "remaining": 2_500.5, "resets_at": "2025-11-12T17:00:00.000000Z"});
    service.users.on("hold", Reaction::Exceeds(details.clone()));
    let tried = try_out(&service, &api, "POST", "/transactions", &payment(10_000)).await;
    assert_documented(&tried.expect_error(400, "limit_exceeded"), &details);
    let mut own = payment(1);
    own["receiver_id"] = json!(SENDER);
    alike(&service, &api, "POST", "/transactions", own, 400).await;
    alike(&service, &service.user(RECEIVER), "POST", "/transactions", payment(1), 403).await;
}

#[tokio::test]
async fn decisions_are_answered_as_if_they_were_made() {
    let service = Service::start().await;
    let (sender, receiver) = (service.user(SENDER), service.user(RECEIVER));
    for (api, body) in [
        (&sender, json!({"status": "completed"})),
        (&sender, json!({"status": "completed", "amount": 2_500, "description": "Half"})),
        (&service.service, json!({"status": "failed"})),
        (&service.service, json!({"status": "cancelled"})),
        (&receiver, json!({"status": "cancelled"})),
        (&sender, json!({"description": "Another"})),
        (&sender, json!({"status": "pending"})),
    ] {
        let path = format!("/transactions/{}", service.pending().await);
        alike(&service, api, "PUT", &path, body.clone(), 200).await;
        // what stands is answered again
        if body["status"] != "pending" && body["status"].is_string() {
            alike(&service, api, "PUT", &path, body, 200).await;
            alike(&service, &sender, "PUT", &path, json!({"description": "Too late"}), 409).await;
        }
    }
    let tried = service.users.tried();
    assert_eq!(tried[0]["operations"][0]["capture"]["step"], 2, "{tried:?}");
    let path = format!("/transactions/{}", service.pending().await);
    alike(&service, &sender, "PUT", &path, json!({"status": "completed", "amount": 10_001}), 409).await;
    alike(&service, &receiver, "PUT", &path, json!({"status": "completed"}), 403).await;
    alike(&service, &service.user(9), "PUT", &path, json!({"status": "cancelled"}), 403).await;
    alike(&service, &sender, "PUT", "/transactions/999", json!({"status": "cancelled"}), 404).await;
    service.users.on("capture", Reaction::Refuses("receiver_unavailable"));
    alike(&service, &sender, "PUT", &path, json!({"status": "completed"}), 409).await;
}

#[tokio::test]
async fn captures_and_refunds_are_answered_as_if_they_were_made() {
    let service = Service::start().await;
    let (sender, receiver) = (service.user(SENDER), service.user(RECEIVER));
    let id = service.pending().await;
    let (captures, refunds) = (format!("/transactions/{id}/captures"), format!("/transactions/{id}/refunds"));
    alike(&service, &receiver, "POST", &refunds, json!({}), 409).await;
    alike(&service, &sender, "POST", &captures, json!({"amount": 2_500}), 201).await;
    service.run("UPDATE captures SET request = NULL").await;
    alike(&service, &sender, "POST", &captures, json!({"amount": 7_501}), 409).await;
    alike(&service, &receiver, "POST", &captures, json!({"amount": 1}), 403).await;
    service.run("DELETE FROM idempotency_keys").await;
    alike(&service, &sender, "POST", &captures, json!({"amount": 1_000, "final": true}), 201).await;
    alike(&service, &service.service, "POST", &captures, json!({}), 409).await;
    alike(&service, &receiver, "POST", &refunds, json!({"amount": 500, "reason": "damaged"}), 201).await;
    service.run("UPDATE transactions SET request = CONCAT('done ', id)").await;
    service.users.on("refund", Reaction::Refuses("exceeds_refundable"));
    alike(&service, &receiver, "POST", &refunds, json!({"amount": 5_000}), 409).await;
    service.users.on("refund", Reaction::Refuses("receiver_not_found"));
    alike(&service, &service.service, "POST", &refunds, json!({"amount": 5}), 409).await;
    let asked: Vec<i64> = service.users.tried().iter().map(|body| body["user_id"].as_i64().unwrap()).collect();
    assert_eq!(asked.last(), Some(&RECEIVER), "of a refund it is the receiver of the payment who pays");
    service.users.on("capture", Reaction::Refuses("receiver_unavailable"));
    let path = format!("/transactions/{}/captures", service.pending().await);
    alike(&service, &sender, "POST", &path, json!({"amount": 5}), 409).await;
}

#[tokio::test]
async fn a_sender_whose_account_is_frozen_tries_in_vain() {
    let service = Service::start().await;
    let id = service.pending().await;
    service.users.puts(SENDER, "frozen");
    let path = format!("/transactions/{id}");
    alike(&service, &service.user(SENDER), "PUT", &path, json!({"status": "completed"}), 403).await;
    let captures = format!("{path}/captures");
    alike(&service, &service.user(SENDER), "POST", &captures, json!({"amount": 1}), 403).await;
    alike(&service, &service.user(RECEIVER), "PUT", &path, json!({"status": "cancelled"}), 200).await;
}

#[tokio::test]
async fn a_key_is_neither_looked_at_nor_taken() {
    let service = Service::start().await;
    let api = service.user(SENDER).keyed("k-1");
    let made = api.post("/transactions", payment(10_000)).await.expect(201);
    let tried = api.post("/transactions?dry_run=true", payment(5)).await.expect(201);
    assert_eq!((&tried["amount"], &tried["id"]), (&json!(5), &Value::Null));
    let again = api.post("/transactions", payment(10_000)).await.expect(201);
    assert_eq!((again.id(), again.header("idempotent-replayed")), (made.id(), "true"));
}

#[tokio::test]
async fn while_user_service_cannot_say_nobody_can() {
    let service = Service::start().await;
    let id = service.pending().await;
    let sender = service.user(SENDER);
    // a silent one, and one of a version that cannot be asked
    for answer in [
        Reaction::Answers(500, "{}"),
        Reaction::Answers(404, r#"{"code":"route_not_found"}"#),
        Reaction::Answers(400, r#"{"code":"unknown_field"}"#),
    ] {
        for verb in ["hold", "capture"] {
            service.users.on(verb, answer.clone());
        }
        for (method, path, body) in [
            ("POST", "/transactions".to_owned(), payment(1)),
            ("PUT", format!("/transactions/{id}"), json!({"status": "completed"})),
            ("POST", format!("/transactions/{id}/captures"), json!({"amount": 1})),
        ] {
            let tried = try_out(&service, &sender, method, &path, &body).await;
            let _ = tried.expect_error(503, "service_unavailable");
        }
    }
    let alone = Service::start_with_users_at(unreachable()).await;
    let tried = alone.service.post("/transactions?dry_run=true", payment(1)).await;
    let _ = tried.expect_error(503, "service_unavailable");
    assert!(picture(&alone).await[0].starts_with("captures"), "there is no transaction");
}

#[tokio::test]
async fn what_cannot_be_tried_refuses_to_be() {
    let service = Service::start().await;
    let id = service.pending().await;
    let sender = service.user(SENDER);
    let deleted = sender.delete(&format!("/transactions/{id}?dry_run=true")).await;
    assert_names_field(deleted, "unknown_field", "dry_run");
    assert_eq!(service.users.verbs(), ["hold"]);
    for wrong in ["dry_run=yes", "dry_run=1", "dry_run="] {
        let refused = sender.post(&format!("/transactions?{wrong}"), payment(1)).await;
        assert_names_field(refused, "invalid_value", "dry_run");
    }
    assert_names_field(sender.post("/transactions?dryrun=true", payment(1)).await, "unknown_field", "dryrun");
}

#[tokio::test]
async fn batches_are_answered_as_if_they_were_made() {
    let service = Service::start().await;
    let mut wrong = immediate(1);
    wrong["amount"] = json!(0);
    let batch = |is_atomic: bool, items: &[Value]| json!({"atomic": is_atomic, "transactions": items});
    for (is_atomic, items) in [
        (false, vec![immediate(10), wrong.clone(), payment(5)]),
        (true, vec![immediate(10), payment(5)]),
        (false, vec![wrong.clone()]),
    ] {
        let body = batch(is_atomic, &items);
        let tried = try_out(&service, &service.service, "POST", "/transactions/batch", &body).await.expect(201).json;
        let mut real = service.service.post("/transactions/batch", body).await.expect(201).json;
        for result in real["results"].as_array_mut().unwrap() {
            result.as_object_mut().unwrap().remove("transaction_id");
        }
        for member in ["atomic", "status", "results"] {
            assert_eq!(tried[member], real[member], "{member}: {tried}");
        }
        assert_eq!((&tried["id"], &tried["dry_run"]), (&Value::Null, &json!(true)));
        let has_payments = items.len() > 1;
        assert_eq!(tried["balances"], if has_payments { tried_balances() } else { Value::Null });
    }
    for verb in ["transfer", "batch"] {
        service.users.on(verb, Reaction::Refuses("insufficient_balance"));
    }
    let body = batch(true, &[immediate(10), immediate(20)]);
    let refused = try_out(&service, &service.service, "POST", "/transactions/batch", &body).await;
    let _ = refused.expect_error(400, "insufficient_balance");
    let body = batch(false, &[immediate(10), payment(20)]);
    let tried = try_out(&service, &service.service, "POST", "/transactions/batch", &body).await.expect(201);
    assert_eq!(tried["status"], "partly_completed");
    assert_eq!(
        (&tried["results"][0]["code"], &tried["results"][1]["status"]),
        (&json!("insufficient_balance"), &json!("pending"))
    );
    let faulty =
        try_out(&service, &service.service, "POST", "/transactions/batch", &batch(true, &[payment(1), wrong])).await;
    assert_names_field(faulty, "invalid_amount", "transactions[1].amount");
}

#[tokio::test]
async fn payments_of_what_was_asked_for_are_answered_as_if_they_were_made() {
    let service = Service::start().await;
    service.users.has_address(RECEIVER, "budi@example.com");
    let asked = json!({"payee_id": RECEIVER, "amount": 1});
    let asked = service.service.post("/payment-requests", asked).await.expect(201);
    let path = format!("/payment-requests/{}/pay", asked["id"].as_str().unwrap());
    alike(&service, &service.user(SENDER), "POST", &path, json!({}), 201).await;
    let paid = try_out(&service, &service.user(SENDER), "POST", &path, &json!({})).await;
    let _ = paid.expect_error(409, "payment_request_not_open");
}
