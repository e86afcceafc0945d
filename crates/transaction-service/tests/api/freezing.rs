//! Senders whose accounts are frozen or locked, or who have reached a limit.

use lab::http::Reply;
use serde_json::{Value, json};

use crate::{
    peers::Reaction,
    support::{RECEIVER, SENDER, Service, assert_documented, immediate, payment},
};

/// What a user with a transaction can do about it.
async fn decisions_of(service: &Service, user: i64, id: i64) -> Vec<Reply> {
    let (api, path) = (service.user(user), format!("/transactions/{id}"));
    vec![
        api.put(&path, json!({"status": "completed"})).await,
        api.put(&path, json!({"status": "completed", "amount": 1})).await,
        api.put(&path, json!({"status": "cancelled"})).await,
        api.put(&path, json!({"status": "failed"})).await,
        api.delete(&path).await,
        api.post(&format!("{path}/captures"), json!({"amount": 1})).await,
    ]
}

#[tokio::test]
async fn what_a_frozen_sender_has_set_aside_is_decided_by_services_alone() {
    for (state, code) in [("frozen", "account_frozen"), ("locked", "account_locked")] {
        let service = Service::start().await;
        let (one, other) = (service.pending().await, service.pending().await);
        service.users.puts(SENDER, state);
        let before = service.users.calls().len();
        for refused in decisions_of(&service, SENDER, one).await {
            let _ = refused.expect_error(403, code);
        }
        assert_eq!(service.users.calls().len(), before, "nothing was asked for");
        assert_documented(&service.show(one).await.expect(200), &json!({"status": "pending", "captured_amount": 0}));
        let path = format!("/transactions/{one}/captures");
        let _ = service.service.post(&path, json!({"amount": 1})).await.expect(201);
        let _ = service.decide(one, "completed").await.expect(200);
        let _ = service.decide(other, "cancelled").await.expect(200);
    }
}

#[tokio::test]
async fn a_sender_that_is_free_again_decides_and_a_frozen_receiver_declines() {
    let service = Service::start().await;
    let (one, other) = (service.pending().await, service.pending().await);
    service.users.puts(SENDER, "frozen");
    let api = service.user(SENDER);
    let (path, completed) = (format!("/transactions/{one}"), json!({"status": "completed"}));
    let _ = api.put(&path, completed.clone()).await.expect_error(403, "account_frozen");
    let _ = api.put(&path, json!({"description": "Another text"})).await.expect(200);
    service.users.puts(SENDER, "active");
    let _ = api.put(&path, completed.clone()).await.expect(200);
    service.users.puts(SENDER, "frozen");
    let _ = api.put(&path, completed).await.expect(200);
    service.users.puts(RECEIVER, "frozen");
    let declined = service.user(RECEIVER).put(&format!("/transactions/{other}"), json!({"status": "cancelled"})).await;
    assert_eq!(declined.expect(200)["status_reason"], "declined");
}

#[tokio::test]
async fn a_capture_that_is_asked_again_is_answered_again_though_the_account_is_frozen_by_now() {
    let service = Service::start().await;
    let id = service.pending().await;
    let (api, path) = (service.user(SENDER).keyed("k-1"), format!("/transactions/{id}/captures"));
    let first = api.post(&path, json!({"amount": 10})).await.expect(201);
    service.users.puts(SENDER, "frozen");
    let again = api.post(&path, json!({"amount": 10})).await.expect(201);
    assert_eq!((&again.json, again.header("idempotent-replayed")), (&first.json, "true"));
    let key = service.user(SENDER).keyed("k-2");
    let _ = key.post(&path, json!({"amount": 10})).await.expect_error(403, "account_frozen");
    service.users.puts(SENDER, "active");
    let _ = key.post(&path, json!({"amount": 10})).await.expect(201);
}

#[tokio::test]
async fn user_service_hears_whether_an_operator_asks() {
    let service = Service::start().await;
    let (one, other, paid) =
        (service.pending().await, service.pending().await, service.create(immediate(10_000)).await.expect(201).id());
    let asked = async |reply: Reply| {
        assert!(reply.status.is_success(), "{}", reply.text);
        let body: Value = serde_json::from_str(&service.users.calls().pop().expect("a call").body).unwrap();
        let step = body["operations"][0].as_object().unwrap().values().next().unwrap().clone();
        step["by_operator"].clone()
    };
    let completed = json!({"status": "completed"});
    assert_eq!(asked(service.user(SENDER).put(&format!("/transactions/{one}"), completed).await).await, Value::Null);
    assert_eq!(asked(service.decide(other, "completed").await).await, true);
    let refund = format!("/transactions/{paid}/refunds");
    assert_eq!(asked(service.user(RECEIVER).post(&refund, json!({"amount": 1})).await).await, Value::Null);
    assert_eq!(asked(service.service.post(&refund, json!({"amount": 1})).await).await, true);
}

#[tokio::test]
async fn while_nobody_tells_of_accounts_user_service_refuses_what_a_frozen_sender_captures() {
    let service = Service::start().await;
    let id = service.pending().await;
    let api = service.user(SENDER);
    let _ = api.get(&format!("/transactions/{id}")).await.expect(200);
    service.users.says_nothing_of_accounts();
    service.users.on("capture", Reaction::Refuses("account_frozen"));
    let refused = api.put(&format!("/transactions/{id}"), json!({"status": "completed"})).await;
    let _ = refused.expect_error(403, "account_frozen");
    let failed = json!({"status": "failed", "status_reason": "account_frozen", "captured_amount": 0});
    assert_documented(&service.show(id).await.expect(200), &failed);
    assert_eq!(service.users.verbs(), ["hold", "capture", "release"]);
}

#[tokio::test]
async fn payments_of_frozen_and_locked_accounts_fail_and_say_so() {
    let service = Service::start().await;
    service.start_workers();
    for code in ["account_frozen", "account_locked"] {
        for (verb, body) in [("hold", payment(10_000)), ("transfer", immediate(10_000))] {
            service.users.on(verb, Reaction::Refuses(code));
            let refused = service.create(body).await.expect_error(403, code);
            let kept = service.show(refused["transaction_id"].as_i64().expect("an id")).await.expect(200);
            assert_documented(&kept, &json!({"status": "failed", "status_reason": code}));
        }
    }
    service.everything_is_told().await;
    assert_eq!(service.notifications.told().len(), 4);
}

#[tokio::test]
async fn a_refund_of_a_frozen_account_is_refused_as_user_service_says() {
    let service = Service::start().await;
    let id = service.create(immediate(10_000)).await.expect(201).id();
    service.users.on("refund", Reaction::Refuses("account_frozen"));
    let refund = service.user(RECEIVER).post(&format!("/transactions/{id}/refunds"), json!({})).await;
    let _ = refund.expect_error(403, "account_frozen");
    assert_eq!(service.show(id).await.expect(200)["refunded_amount"], 0);
}

#[tokio::test]
async fn what_exceeds_a_limit_says_which_at_the_first_time_and_again_at_any_instance() {
    let service = Service::start().await;
    let details = json!({"limit": "per_day", "remaining": 2_500.5, "resets_at": "2025-11-12T17:00:00.000000Z"});
    for (verb, body) in [("hold", payment(10_000)), ("transfer", immediate(10_000))] {
        service.users.on(verb, Reaction::Exceeds(details.clone()));
        let first = service.service.keyed(verb).post("/transactions", body.clone()).await;
        let first = first.expect_error(400, "limit_exceeded");
        assert_documented(&first, &details);
        let kept = service.show(first["transaction_id"].as_i64().expect("an id")).await.expect(200);
        assert_documented(&kept, &json!({"status": "failed", "status_reason": "limit_exceeded"}));
        let calls = service.users.calls().len();
        let again = service.service.keyed(verb).post("/transactions", body.clone()).await;
        assert_eq!(service.users.calls().len(), calls, "the instance knows it");
        let elsewhere = service.another_instance().await.keyed(verb).post("/transactions", body).await;
        assert_eq!(service.users.verbs().len(), calls + 1);
        for again in [again, elsewhere] {
            let again = again.expect_error(400, "limit_exceeded");
            assert_eq!(again.header("idempotent-replayed"), "true");
            assert_documented(&again, &details);
        }
    }
}

#[tokio::test]
async fn a_limit_without_details_is_refused_without_them() {
    let service = Service::start().await;
    service.users.on("hold", Reaction::Refuses("limit_exceeded"));
    let refused = service.create(payment(10_000)).await.expect_error(400, "limit_exceeded");
    assert_eq!((&refused["limit"], refused["transaction_id"].is_i64()), (&Value::Null, true));
}
