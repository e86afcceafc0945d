//! `POST /transactions/{id}/captures`, and completing a part: what of the money that is set aside goes to the receiver.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{
    peers::Reaction,
    support::{RECEIVER, SENDER, Service, assert_documented, assert_names_field, payment},
};
use lab::http::{Api, Reply};

/// The most captures of a transaction, beside the one that ends it.
const MAX_CAPTURES: u32 = 1_000;

async fn capture(caller: &Api, id: i64, body: Value) -> Reply {
    caller.post(&format!("/transactions/{id}/captures"), body).await
}

/// The steps that user-service was asked for since `before`.
fn asked_since(service: &Service, before: usize) -> Vec<Value> {
    let steps = |body: String| -> Vec<Value> {
        let body: Value = serde_json::from_str(&body).expect("a JSON body");
        body["operations"].as_array().expect("a list").clone()
    };
    service.users.calls().into_iter().skip(before).flat_map(|call| steps(call.body)).collect()
}

#[tokio::test]
async fn a_shop_captures_parcel_by_parcel_until_nothing_is_left() {
    let service = Service::start().await;
    let id = service.pending().await;
    let before = service.users.calls().len();
    for (amount, captured, status) in [(2_500, 2_500, "pending"), (500, 3_000, "pending"), (7_000, 10_000, "completed")]
    {
        let answer = capture(&service.service, id, json!({"amount": amount})).await.expect(201);
        assert_documented(&answer, &json!({"id": id, "status": status, "captured_amount": captured}));
        assert_documented(&service.show(id).await.expect(200), &json!({"status": status, "captured_amount": captured}));
    }
    let step = |step: u16, amount: i64| {
        json!({"capture": {
            "transaction_id": id, "step": step, "sender_id": SENDER, "receiver_id": RECEIVER, "amount": amount,
            "by_operator": true,
        }})
    };
    assert_eq!(asked_since(&service, before), [step(2, 2_500), step(3, 500), step(4, 7_000)]);
    let refused = capture(&service.service, id, json!({"amount": 1})).await;
    assert_eq!(refused.expect_error(409, "illegal_status_change")["status"], "completed");
}

#[tokio::test]
async fn a_part_is_completed_after_others_were_captured() {
    let service = Service::start().await;
    let id = service.pending().await;
    let _ = capture(&service.service, id, json!({"amount": 2_500})).await.expect(201);
    let path = format!("/transactions/{id}");
    let body = json!({"status": "completed", "amount": 6_000});
    let completed = service.service.put(&path, body.clone()).await.expect(200);
    assert_documented(&completed, &json!({"status": "completed", "captured_amount": 8_500}));
    let again = service.service.put(&path, body.clone()).await.expect(200);
    assert_eq!(again.json, completed.json, "the same once more is no change");
    let tried = service.service.put(&format!("{path}?dry_run=true"), body).await.expect(200);
    assert_documented(&tried, &json!({"status": "completed", "captured_amount": 8_500}));
    for captured in [2_500, 8_500] {
        let other = service.service.put(&path, json!({"status": "completed", "amount": captured})).await;
        let _ = other.expect_error(409, "illegal_status_change");
    }
    let other = service.service.put(&path, json!({"status": "completed", "amount": 100})).await;
    let _ = other.expect_error(409, "illegal_status_change");
}

#[tokio::test]
async fn a_final_capture_gives_the_rest_back() {
    let service = Service::start().await;
    let id = service.pending().await;
    let before = service.users.calls().len();
    let answer = capture(&service.service, id, json!({"amount": 6_000, "final": true})).await.expect(201);
    assert_documented(&answer, &json!({"status": "completed", "captured_amount": 6_000, "amount": 10_000}));
    assert_eq!(asked_since(&service, before)[0]["capture"]["final"], true);

    let id = service.pending().await;
    let completed = json!({"status": "completed", "amount": 6_000});
    let answer = service.service.put(&format!("/transactions/{id}"), completed.clone()).await.expect(200);
    assert_documented(&answer, &json!({"status": "completed", "captured_amount": 6_000}));
    let again = service.service.put(&format!("/transactions/{id}"), completed).await.expect(200);
    assert_eq!(again.json, answer.json, "the same once more is no change");
    let path = format!("/transactions/{id}");
    let other = service.service.put(&path, json!({"status": "completed", "amount": 7_000}));
    let _ = other.await.expect_error(409, "illegal_status_change");
}

#[tokio::test]
async fn without_an_amount_all_that_is_left_is_captured() {
    let service = Service::start().await;
    let id = service.pending().await;
    let _ = capture(&service.service, id, json!({"amount": 4_000})).await.expect(201);
    let answer = capture(&service.service, id, json!({})).await.expect(201);
    assert_documented(&answer, &json!({"status": "completed", "captured_amount": 10_000}));
}

#[tokio::test]
async fn more_than_is_left_is_refused_and_moves_nothing() {
    let service = Service::start().await;
    let id = service.pending().await;
    let _ = capture(&service.service, id, json!({"amount": 4_000})).await.expect(201);
    let before = service.users.calls().len();
    let refused = capture(&service.service, id, json!({"amount": "6000.01"})).await;
    assert_eq!(refused.expect_error(409, "exceeds_remaining")["remaining"], 6_000);
    let path = format!("/transactions/{id}");
    let refused = service.service.put(&path, json!({"status": "completed", "amount": 6_001}));
    assert_eq!(refused.await.expect_error(409, "exceeds_remaining")["remaining"], 6_000);
    assert_eq!(service.users.calls().len(), before, "user-service was not asked");
    assert_documented(&service.show(id).await.expect(200), &json!({"status": "pending", "captured_amount": 4_000}));
}

#[tokio::test]
async fn what_is_left_after_a_capture_goes_back_and_the_transaction_is_completed() {
    let service = Service::start().await;
    let id = service.pending().await;
    let _ = capture(&service.service, id, json!({"amount": 4_000})).await.expect(201);
    let _ = service.decide(id, "failed").await.expect_error(409, "illegal_status_change");
    let ended = json!({"status": "completed", "captured_amount": 4_000, "status_reason": "cancelled"});
    let cancelled = service.decide(id, "cancelled").await.expect(200);
    assert_documented(&cancelled, &ended);
    assert_eq!(service.decide(id, "cancelled").await.expect(200).json, cancelled.json);
    let _ = service.decide(id, "completed").await.expect_error(409, "illegal_status_change");

    let service = Service::start_with(|config| config.pending_ttl = 1).await;
    let id = service.pending().await;
    let _ = capture(&service.service, id, json!({"amount": 4_000})).await.expect(201);
    service.start_workers();
    let expired = service.becomes(id, "completed").await;
    assert_documented(&expired, &json!({"captured_amount": 4_000, "status_reason": "expired"}));
}

#[tokio::test]
async fn a_part_that_cannot_be_paid_gives_the_rest_back() {
    let service = Service::start().await;
    let id = service.pending().await;
    service.users.on("capture", Reaction::Refuses("receiver_unavailable"));
    let _ = capture(&service.service, id, json!({"amount": 4_000})).await.expect_error(409, "receiver_unavailable");
    assert_documented(&service.show(id).await.expect(200), &json!({"status": "failed", "captured_amount": 0}));

    service.users.on("capture", Reaction::Applies);
    let id = service.pending().await;
    let _ = capture(&service.service, id, json!({"amount": 4_000})).await.expect(201);
    service.users.on("capture", Reaction::Refuses("receiver_unavailable"));
    let _ = capture(&service.service, id, json!({"amount": 1_000})).await.expect_error(409, "receiver_unavailable");
    let ended = json!({"status": "completed", "captured_amount": 4_000, "status_reason": "cancelled"});
    assert_documented(&service.show(id).await.expect(200), &ended);

    for body in [json!({"status": "completed"}), json!({"status": "completed", "amount": 1_000})] {
        service.users.on("capture", Reaction::Applies);
        let id = service.pending().await;
        let _ = capture(&service.service, id, json!({"amount": 4_000})).await.expect(201);
        service.users.on("capture", Reaction::Refuses("receiver_unavailable"));
        let refused = service.service.put(&format!("/transactions/{id}"), body).await;
        let _ = refused.expect_error(409, "receiver_unavailable");
        assert_documented(&service.show(id).await.expect(200), &ended);
    }
}

/// An amount of which the rest after a hundredth has more digits than a request may have.
const LARGE: i64 = 10_000_000_000_001;

#[tokio::test]
async fn a_rest_of_more_digits_than_a_request_may_have_is_paid_and_given_back() {
    let service = Service::start().await;
    let left = |service: &Service| {
        let call = service.users.calls().pop().expect("a call");
        call.body.split_once("\"amount\":").map(|(_, rest)| rest.split(',').next().unwrap_or_default().to_owned())
    };
    let rest = Some("10000000000000.99".to_owned());
    for by_capture in [true, false] {
        let id = service.create(payment(LARGE)).await.expect(201).id();
        let _ = capture(&service.service, id, json!({"amount": "0.01"})).await.expect(201);
        let answer = if by_capture {
            let tried = service.service.post(&format!("/transactions/{id}/captures?dry_run=true"), json!({})).await;
            assert_eq!(tried.expect(201)["status"], "completed");
            capture(&service.service, id, json!({})).await.expect(201)
        } else {
            service.decide(id, "completed").await.expect(200)
        };
        assert_documented(&answer, &json!({"status": "completed", "captured_amount": LARGE}));
        assert_eq!(left(&service), rest);
        let path = format!("/transactions/{id}/refunds");
        let _ = service.service.post(&path, json!({"amount": "0.01"})).await.expect(201);
        let refund = service.service.post(&path, json!({})).await.expect(201);
        assert!(refund.text.contains("\"amount\":10000000000000.99,"), "{}", refund.text);
        assert_eq!(left(&service), rest);
    }
}

#[tokio::test]
async fn a_transaction_is_captured_in_so_many_parts_and_then_to_its_end() {
    let service = Service::start().await;
    let parts = |count: u32| {
        let update = sqlx::query("UPDATE transactions SET step = 1 + ?").bind(count);
        let pool = service.pool();
        async move { update.execute(&pool).await.unwrap() }
    };
    let ends = [json!({"amount": 1, "final": true}), json!({})];
    for end in ends {
        let id = service.pending().await;
        let _ = parts(MAX_CAPTURES - 1).await;
        let _ = capture(&service.service, id, json!({"amount": 1})).await.expect(201);
        for path in ["captures", "captures?dry_run=true"] {
            let refused = service.service.post(&format!("/transactions/{id}/{path}"), json!({"amount": 1})).await;
            assert_eq!(refused.expect_error(409, "too_many_captures")["limit"], MAX_CAPTURES);
        }
        assert_eq!(capture(&service.service, id, end).await.expect(201)["status"], "completed");
    }
    let id = service.pending().await;
    let _ = parts(MAX_CAPTURES).await;
    let _ = service.decide(id, "cancelled").await.expect(200);
}

#[tokio::test]
async fn a_key_captures_once_and_is_answered_as_it_was_then() {
    let service = Service::start().await;
    let id = service.pending().await;
    let keyed = service.service.keyed("parcel-1");
    let first = capture(&keyed, id, json!({"amount": 2_500})).await.expect(201);
    let _ = capture(&service.service, id, json!({"amount": 500})).await.expect(201);
    let again = capture(&keyed, id, json!({"amount": 2_500})).await.expect(201);
    assert_eq!(again.json, first.json);
    assert_eq!(again.header("idempotent-replayed"), "true");
    let _ = capture(&keyed, id, json!({"amount": 2_600})).await.expect_error(422, "idempotency_key_reused");
    let _ = service.decide(id, "completed").await.expect(200);
    assert_eq!(capture(&keyed, id, json!({"amount": 2_500})).await.expect(201).json, first.json);
    assert_documented(&service.show(id).await.expect(200), &json!({"captured_amount": 10_000}));
}

#[tokio::test]
async fn a_refusal_under_a_key_is_answered_again() {
    let service = Service::start().await;
    let id = service.pending().await;
    let keyed = service.service.keyed("too-much");
    let first = capture(&keyed, id, json!({"amount": 10_001})).await.expect_error(409, "exceeds_remaining");
    let _ = service.decide(id, "completed").await.expect(200);
    let again = capture(&keyed, id, json!({"amount": 10_001})).await.expect_error(409, "exceeds_remaining");
    assert_eq!(again["remaining"], first["remaining"]);
    assert_eq!(again.header("idempotent-replayed"), "true");
}

#[tokio::test]
async fn of_many_captures_at_once_no_more_is_paid_than_there_is() {
    let service = Service::start().await;
    let id = service.pending().await;
    let captures = (0..8).map(|_| capture(&service.service, id, json!({"amount": 3_000})));
    let answers = futures::future::join_all(captures).await;
    let paid = answers.iter().filter(|answer| answer.status == 201).count();
    let shown = service.show(id).await.expect(200);
    assert_eq!(shown["captured_amount"], json!(paid * 3_000));
    assert!((1..=3).contains(&paid) && shown["status"] == "pending");
}

#[tokio::test]
async fn one_that_is_under_way_is_answered_202_and_settled() {
    let service = Service::start().await;
    let id = service.pending().await;
    service.users.on("capture", Reaction::Answers(503, r#"{"code":"service_unavailable"}"#));
    let keyed = service.service.keyed("parcel-1");
    let open = capture(&keyed, id, json!({"amount": 2_500})).await.expect(202);
    assert_documented(&open, &json!({"status": "processing", "captured_amount": 0}));
    let _ = capture(&service.service, id, json!({"amount": 1})).await.expect_error(409, "transaction_in_progress");
    service.users.on("capture", Reaction::Applies);
    service.start_workers();
    let _ = service.becomes(id, "pending").await;
    let again = capture(&keyed, id, json!({"amount": 2_500})).await.expect(201);
    assert_documented(&again, &json!({"status": "pending", "captured_amount": 2_500}));
    assert_eq!(service.show(id).await.expect(200)["captured_amount"], 2_500, "it was captured once");
}

#[tokio::test]
async fn two_requests_under_a_key_at_once_are_one_capture() {
    let service = Service::start().await;
    let id = service.pending().await;
    let gate = Arc::new(Semaphore::new(0));
    service.users.on("capture", Reaction::Waits(gate.clone()));
    let keyed = service.service.keyed("parcel-1");
    let (one, other, ()) = tokio::join!(
        capture(&keyed, id, json!({"amount": 2_500})),
        capture(&keyed, id, json!({"amount": 2_500})),
        async {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            gate.add_permits(10);
        }
    );
    for answer in [one, other] {
        assert_documented(&answer.expect(201), &json!({"captured_amount": 2_500}));
    }
    assert_eq!(service.show(id).await.expect(200)["captured_amount"], 2_500);
}

#[tokio::test]
async fn the_sender_and_services_capture_and_nobody_else() {
    let service = Service::start().await;
    let id = service.pending().await;
    let _ = capture(&service.user(SENDER), id, json!({"amount": 1})).await.expect(201);
    let _ = capture(&service.user(RECEIVER), id, json!({"amount": 1})).await.expect_error(403, "forbidden");
    let _ = capture(&service.user(3), id, json!({"amount": 1})).await;
    assert_eq!(service.show(id).await.expect(200)["captured_amount"], 1);
    let _ = capture(&service.service, 4_711, json!({"amount": 1})).await.expect_error(404, "transaction_not_found");
}

#[tokio::test]
async fn bad_input_names_its_field() {
    let service = Service::start().await;
    let id = service.pending().await;
    assert_names_field(capture(&service.service, id, json!({"amount": 0})).await, "invalid_amount", "amount");
    assert_names_field(
        capture(&service.service, id, json!({"amount": 1, "final": "yes"})).await,
        "invalid_value",
        "final",
    );
    assert_names_field(
        capture(&service.service, id, json!({"amount": 1, "last": true})).await,
        "unknown_field",
        "last",
    );
    let path = format!("/transactions/{id}");
    let cancel = service.service.put(&path, json!({"status": "cancelled", "amount": 1})).await;
    assert_names_field(cancel, "invalid_amount", "amount");
}
