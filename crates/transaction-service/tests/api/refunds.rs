//! `POST /transactions/{id}/refunds`: what the receiver has got goes back.

use serde_json::{Value, json};

use crate::{
    peers::Reaction,
    support::{RECEIVER, SENDER, Service, assert_documented, assert_names_field, ids, immediate},
};
use lab::http::{Api, Reply};

async fn refund(caller: &Api, id: i64, body: Value) -> Reply {
    caller.post(&format!("/transactions/{id}/refunds"), body).await
}

async fn completed(service: &Service) -> i64 {
    service.create(immediate(10_000)).await.expect(201).id()
}

#[tokio::test]
async fn a_refund_is_a_transaction_of_its_own_and_shows_at_the_first_one() {
    let service = Service::start().await;
    let id = completed(&service).await;
    let given = refund(&service.service, id, json!({"amount": 2_500, "reason": "damaged"})).await.expect(201);
    let documented = json!({
        "sender_id": RECEIVER, "receiver_id": SENDER, "amount": 2_500, "refund_of": id, "status": "completed",
        "description": "damaged", "captured_amount": 2_500,
    });
    assert_documented(&given, &documented);
    let asked: Value = serde_json::from_str(&service.users.calls().pop().expect("a call").body).unwrap();
    let step = json!({
        "transaction_id": given.id(), "refund_of": id, "sender_id": RECEIVER, "receiver_id": SENDER, "amount": 2_500,
        "by_operator": true,
    });
    assert_eq!(asked, json!({"operations": [{"refund": step}]}));
    assert_documented(&service.show(id).await.expect(200), &json!({"refunded_amount": 2_500, "status": "completed"}));
    for user in [SENDER, RECEIVER] {
        let list = service.user(user).get(&format!("/transactions/user/{user}")).await.expect(200);
        assert_eq!(ids(&list), [given.id(), id]);
    }
    let rest = refund(&service.service, id, json!({})).await.expect(201);
    assert_documented(&rest, &json!({"amount": 7_500, "description": ""}));
    assert_eq!(service.show(id).await.expect(200)["refunded_amount"], 10_000);
}

#[tokio::test]
async fn what_a_refund_with_a_key_was_refused_with_is_answered_again() {
    let service = Service::start().await;
    let pending = service.pending().await;
    let keyed = service.service.keyed("too-soon");
    let dry = keyed.post(&format!("/transactions/{pending}/refunds?dry_run=true"), json!({"amount": 1})).await;
    let _ = dry.expect_error(409, "exceeds_refundable");
    let first = refund(&keyed, pending, json!({"amount": 1})).await.expect_error(409, "exceeds_refundable");
    let _ = service.decide(pending, "completed").await.expect(200);
    let again = refund(&keyed, pending, json!({"amount": 1})).await.expect_error(409, "exceeds_refundable");
    assert_eq!((&again["refundable"], again.header("idempotent-replayed")), (&first["refundable"], "true"));
    let _ = refund(&keyed, pending, json!({"amount": 2})).await.expect_error(422, "idempotency_key_reused");
    let _ = refund(&service.service, pending, json!({"amount": 1})).await.expect(201);
}

#[tokio::test]
async fn only_what_was_captured_is_refunded() {
    let service = Service::start().await;
    let pending = service.pending().await;
    let _ = refund(&service.service, pending, json!({"amount": 1})).await.expect_error(409, "exceeds_refundable");
    let path = format!("/transactions/{pending}/captures");
    let _ = service.service.post(&path, json!({"amount": 4_000})).await.expect(201);
    let all = refund(&service.service, pending, json!({})).await.expect(201);
    assert_eq!(all["amount"], 4_000);
    assert_documented(
        &service.show(pending).await.expect(200),
        &json!({"status": "pending", "refunded_amount": 4_000}),
    );
}

#[tokio::test]
async fn what_is_still_under_way_is_not_refunded_yet() {
    let service = Service::start().await;
    service.users.on("transfer", Reaction::Answers(500, "{}"));
    let open = service.create(immediate(10_000)).await.expect(202).id();
    let _ = refund(&service.service, open, json!({})).await.expect_error(409, "transaction_in_progress");
}

#[tokio::test]
async fn what_user_service_refuses_is_kept_and_changes_nothing() {
    let service = Service::start().await;
    let id = completed(&service).await;
    for (refusal, status, code) in [
        ("exceeds_refundable", 409, "exceeds_refundable"),
        ("insufficient_balance", 400, "insufficient_balance"),
        ("receiver_not_found", 409, "receiver_unavailable"),
    ] {
        service.users.on("refund", Reaction::Refuses(refusal));
        let refused = refund(&service.service, id, json!({"amount": 10_000})).await.expect_error(status, code);
        let kept = service.show(refused["transaction_id"].as_i64().expect("an id")).await.expect(200);
        assert_documented(&kept, &json!({"status": "failed", "refund_of": id, "failure_code": refusal}));
        assert_eq!(service.show(id).await.expect(200)["refunded_amount"], 0);
    }
}

#[tokio::test]
async fn a_refund_is_not_refunded_itself() {
    let service = Service::start().await;
    let id = completed(&service).await;
    let given = refund(&service.service, id, json!({})).await.expect(201);
    let _ = refund(&service.service, given.id(), json!({})).await.expect_error(409, "not_refundable");
}

#[tokio::test]
async fn a_key_refunds_once_also_all_that_was_left_then() {
    let service = Service::start().await;
    let id = completed(&service).await;
    let keyed = service.service.keyed("return-1");
    let first = refund(&keyed, id, json!({})).await.expect(201);
    let again = refund(&keyed, id, json!({})).await.expect(201);
    assert_eq!((again.json.clone(), again.header("idempotent-replayed")), (first.json.clone(), "true"));
    let _ = refund(&keyed, id, json!({"amount": 1})).await.expect_error(422, "idempotency_key_reused");
    assert_eq!(service.show(id).await.expect(200)["refunded_amount"], 10_000, "once");
    assert_eq!(service.users.verbs(), ["transfer", "refund"]);
}

#[tokio::test]
async fn a_refund_whose_outcome_is_open_is_settled_once() {
    let service = Service::start().await;
    let id = completed(&service).await;
    service.users.on("refund", Reaction::Answers(500, "{}"));
    let open = refund(&service.service, id, json!({"amount": 2_500})).await.expect(202);
    assert_documented(&open, &json!({"status": "processing", "refund_of": id}));
    assert_eq!(service.show(id).await.expect(200)["refunded_amount"], 0, "nobody knows");
    service.users.on("refund", Reaction::Applies);
    service.start_workers();
    let _ = service.becomes(open.id(), "completed").await;
    assert_eq!(service.show(id).await.expect(200)["refunded_amount"], 2_500);
}

#[tokio::test]
async fn many_refunds_at_once_are_all_written_down() {
    let service = Service::start().await;
    let id = completed(&service).await;
    let refunds = (0..20).map(|_| refund(&service.service, id, json!({"amount": 100})));
    for answer in futures::future::join_all(refunds).await {
        let _ = answer.expect(201);
    }
    assert_eq!(service.show(id).await.expect(200)["refunded_amount"], 2_000);
}

#[tokio::test]
async fn the_receiver_and_services_refund_and_nobody_else() {
    let service = Service::start().await;
    let id = completed(&service).await;
    let _ = refund(&service.user(SENDER), id, json!({"amount": 1})).await.expect_error(403, "forbidden");
    let _ = refund(&service.user(RECEIVER), id, json!({"amount": 1})).await.expect(201);
    let _ = refund(&service.service, 4_711, json!({})).await.expect_error(404, "transaction_not_found");
    assert_names_field(refund(&service.service, id, json!({"amount": -1})).await, "invalid_amount", "amount");
    assert_names_field(refund(&service.service, id, json!({"why": "x"})).await, "unknown_field", "why");
}
