//! `Idempotency-Key`: a payment that is sent twice is made once and answered twice.

use std::{collections::BTreeSet, sync::Arc};

use lab::http::{Api, Reply, eventually};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{
    peers::Reaction,
    support::{SENDER, Service, assert_names_field, ids, immediate, payment},
};

async fn keyed(api: &Api, key: &str, body: Value) -> Reply {
    api.keyed(key).post("/transactions", body).await
}

fn is_replayed(reply: &Reply) -> bool {
    reply.header("idempotent-replayed") == "true"
}

#[tokio::test]
async fn the_same_payment_is_answered_again_and_made_once() {
    let service = Service::start().await;
    for (key, body) in [("one", payment(10_000)), ("two", immediate(10_000))] {
        let first = keyed(&service.service, key, body.clone()).await.expect(201);
        let again = keyed(&service.service, key, body).await.expect(201);
        assert_eq!((is_replayed(&first), is_replayed(&again), &again.text), (false, true, &first.text));
    }
    assert_eq!(service.users.verbs(), ["hold", "transfer"]);
    assert_eq!(ids(&service.anyone.get("/transactions").await.expect(200)).len(), 2);
}

#[tokio::test]
async fn a_replay_gives_the_first_answer_whatever_has_become_of_the_transaction() {
    let service = Service::start().await;
    let first = keyed(&service.service, "key", payment(10_000)).await.expect(201);
    let path = format!("/transactions/{}", first.id());
    let changed = json!({"status": "completed", "description": "Changed"});
    for change in [json!({"description": "Changed"}), changed] {
        let _ = service.service.put(&path, change).await.expect(200);
        let again = keyed(&service.service, "key", payment(10_000)).await.expect(201);
        assert_eq!((is_replayed(&again), &again.text), (true, &first.text));
    }
    let _ = service.delete(first.id()).await.expect(200);
    let again = keyed(&service.service, "key", payment(10_000)).await.expect(201);
    assert_eq!((is_replayed(&again), again.text), (true, first.text));
    assert_eq!(service.users.verbs(), ["hold", "capture"]);
}

#[tokio::test]
async fn a_refusal_is_answered_again() {
    let service = Service::start().await;
    service.users.on("hold", Reaction::Refuses("insufficient_balance"));
    let first = keyed(&service.service, "key", payment(10_000)).await.expect_error(400, "insufficient_balance");
    service.users.on("hold", Reaction::Applies);
    let again = keyed(&service.service, "key", payment(10_000)).await.expect_error(400, "insufficient_balance");
    assert_eq!((is_replayed(&first), is_replayed(&again)), (false, true));
    assert_eq!(again["transaction_id"], first["transaction_id"]);
    assert_eq!(service.users.verbs(), ["hold"]);
}

#[tokio::test]
async fn another_payment_under_a_known_key_is_422() {
    let service = Service::start().await;
    let first = keyed(&service.service, "key", payment(10_000)).await.expect(201);
    for (member, value) in [
        ("amount", json!(10_001)),
        ("receiver_id", json!(3)),
        ("description", json!("x")),
        ("auto_complete", json!(true)),
    ] {
        let mut other = payment(10_000);
        other[member] = value;
        let _ = keyed(&service.service, "key", other).await.expect_error(422, "idempotency_key_reused");
    }
    let spelled = r#"{"amount":"10000.00","receiver_id":2,"description":" Payment for goods","sender_id":1}"#;
    let same = service.service.keyed("key").post_text("/transactions", spelled).await.expect(201);
    assert_eq!((is_replayed(&same), same.text), (true, first.text));
}

#[tokio::test]
async fn a_key_belongs_to_one_caller_and_without_one_every_payment_is_new() {
    let service = Service::start().await;
    let sender = service.user(SENDER);
    let made = [
        keyed(&service.service, "key", payment(1)).await.expect(201),
        keyed(&sender, "key", payment(1)).await.expect(201),
        keyed(&sender, "KEY", payment(1)).await.expect(201),
        service.create(payment(1)).await.expect(201),
        service.create(payment(1)).await.expect(201),
    ];
    assert!(made.iter().all(|reply| !is_replayed(reply)));
    assert_eq!(made.iter().map(Reply::id).collect::<BTreeSet<_>>().len(), made.len());
}

#[tokio::test]
async fn what_never_took_effect_does_not_burn_its_key() {
    let service = Service::start().await;
    assert_names_field(keyed(&service.service, "key", payment(0)).await, "invalid_amount", "amount");
    let _ = keyed(&service.anyone, "key", payment(1)).await.expect_error(401, "missing_token");
    let _ = keyed(&service.user(9), "key", payment(1)).await.expect_error(403, "forbidden");
    assert!(!is_replayed(&keyed(&service.service, "key", payment(1)).await.expect(201)));
}

#[tokio::test]
async fn a_key_is_1_to_255_visible_characters() {
    let service = Service::start().await;
    let longest = "k".repeat(255);
    let named = service.service.clone().with("x-service-name", &"n".repeat(32));
    let _ = keyed(&named, &longest, payment(1)).await.expect(201);
    assert!(is_replayed(&keyed(&named, &longest, payment(1)).await.expect(201)));
    for key in ["", "two words", &"k".repeat(256)] {
        let _ = keyed(&service.service, key, payment(1)).await.expect_error(400, "invalid_idempotency_key");
    }
}

#[tokio::test]
async fn services_with_names_have_keys_of_their_own() {
    let service = Service::start().await;
    let named = |name| service.service.clone().with("x-service-name", name);
    let callers = [service.service.clone(), named("shop"), named("billing")];
    let mut made = BTreeSet::new();
    for caller in &callers {
        made.insert(keyed(caller, "order-1", payment(1)).await.expect(201).id());
    }
    assert_eq!(made.len(), callers.len());
    assert!(is_replayed(&keyed(&callers[1], "order-1", payment(1)).await.expect(201)));
    let _ = keyed(&named("A shop"), "order-1", payment(1)).await.expect_error(400, "invalid_service_name");
}

#[tokio::test]
async fn a_payment_that_is_still_being_made_is_409_and_answered_once_it_is_known() {
    let service = Service::start().await;
    let gate = Arc::new(Semaphore::new(0));
    service.users.on("hold", Reaction::Waits(gate.clone()));
    let api = service.service.clone();
    let slow = tokio::spawn(async move { keyed(&api, "key", payment(10_000)).await });
    eventually("the hold to be asked for", async || (!service.users.calls().is_empty()).then_some(())).await;
    let _ = keyed(&service.service, "key", payment(10_000)).await.expect_error(409, "request_in_progress");
    let _ = keyed(&service.service, "key", payment(1)).await.expect_error(422, "idempotency_key_reused");
    let asked: BTreeSet<String> = service.users.calls().into_iter().map(|call| call.body).collect();
    assert_eq!((asked.len(), service.users.calls().len()), (1, 2), "the second request asked for the same");
    let id: i64 = sqlx::query_scalar("SELECT id FROM transactions").fetch_one(&service.pool()).await.unwrap();
    assert_eq!(
        service.settle_attempts(id).await,
        1,
        "and said so before, lest the first one gives it up as never sent"
    );
    gate.add_permits(2);
    let first = slow.await.expect("the caller lives").expect(201);
    let again = keyed(&service.service, "key", payment(10_000)).await.expect(201);
    assert_eq!((is_replayed(&again), again.text), (true, first.text));
}

#[tokio::test]
async fn a_payment_that_was_processing_is_answered_with_its_outcome_once_it_is_known() {
    let service = Service::start().await;
    service.users.on("hold", Reaction::Answers(500, ""));
    let id = keyed(&service.service, "key", payment(10_000)).await.expect(202).id();
    let _ = keyed(&service.service, "key", payment(10_000)).await.expect_error(409, "request_in_progress");
    service.users.on("hold", Reaction::Applies);
    service.start_workers();
    let _ = service.becomes(id, "pending").await;
    let known = keyed(&service.service, "key", payment(10_000)).await.expect(201);
    assert_eq!((known.id(), &known["status"], is_replayed(&known)), (id, &json!("pending"), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_requests_with_one_key_make_one_payment() {
    let service = Service::start().await;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let api = service.service.clone();
        callers.spawn(async move { keyed(&api, "key", payment(10_000)).await });
    }
    let mut made = BTreeSet::new();
    for reply in callers.join_all().await {
        if reply.status == 409 {
            let _ = reply.expect_error(409, "request_in_progress");
        } else {
            made.insert(reply.expect(201).text);
        }
    }
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(service.users.verbs(), ["hold"]);
    assert_eq!(ids(&service.anyone.get("/transactions").await.expect(200)).len(), 1);
}
