//! A request that is sent twice takes effect once and is answered twice.

use std::collections::BTreeSet;

use harness::http::{Api, Reply};
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{Balance, Service, assert_names_field};

/// A keyed top-up or debit: `below` is the route below the account.
async fn move_money(api: &Api, user: i64, below: &str, key: &str, amount: i64) -> Reply {
    api.keyed(key).post(&format!("/users/{user}/{below}"), json!({"amount": amount})).await
}

fn is_replayed(reply: &Reply) -> bool {
    reply.header("idempotent-replayed") == "true"
}

#[tokio::test]
async fn the_same_request_is_answered_again_and_moves_nothing() {
    let service = Service::start().await;
    let user = service.user("john", 1000).await;
    let internal = format!("/internal/users/{}/balance", user.id);
    let credit = json!({"action": "credit", "amount": 5, "reference": "Refund"});
    for below in ["topup", "debit"] {
        let first = move_money(&user.api, user.id, below, "key", 10).await.expect(200);
        let between = move_money(&user.api, user.id, "topup", &format!("between {below}").replace(' ', "-"), 1).await;
        let _ = between.expect(200);
        let again = move_money(&user.api, user.id, below, "key", 10).await.expect(200);
        assert_eq!((is_replayed(&first), is_replayed(&again), again.text), (false, true, first.text), "{below}");
    }
    let first = service.service.keyed("key").put(&internal, credit.clone()).await.expect(200);
    let again = service.service.keyed("key").put(&internal, credit).await.expect(200);
    assert_eq!((is_replayed(&first), is_replayed(&again), again.text), (false, true, first.text));
    assert_eq!(service.balance(&user).await, Balance::new(1000 + 10 + 1 - 10 + 1 + 5, 0));
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn another_spelling_is_the_same_request_and_another_amount_is_not() {
    let service = Service::start().await;
    let user = service.user("john", 0).await;
    let path = user.path("/topup");
    let keyed = user.api.keyed("key");
    let first = keyed.post_text(&path, r#"{"amount":100}"#).await.expect(200);
    for same in [r#"{ "amount" : 100.00 }"#, r#"{"amount":"100"}"#, r#"{"amount":1e2}"#] {
        let again = keyed.post_text(&path, same).await.expect(200);
        assert_eq!((is_replayed(&again), &again.text), (true, &first.text), "{same}");
    }
    let reused = keyed.post_text(&path, r#"{"amount":100.01}"#).await;
    let _ = reused.expect_error(422, "idempotency_key_reused");
    assert_eq!(service.balance(&user).await, Balance::new(100, 0));
}

#[tokio::test]
async fn a_refusal_is_answered_again_even_when_it_would_succeed_by_now() {
    let service = Service::start().await;
    let user = service.user("john", 10).await;
    let first = move_money(&user.api, user.id, "debit", "key", 50).await.expect_error(400, "insufficient_balance");
    let _ = user.top_up(100).await.expect(200);
    let again = move_money(&user.api, user.id, "debit", "key", 50).await.expect_error(400, "insufficient_balance");
    assert_eq!((is_replayed(&first), is_replayed(&again)), (false, true));
    assert_ne!(first["request_id"], again["request_id"], "a replay has the identity of its own request");
    assert_eq!(service.balance(&user).await, Balance::new(110, 0));

    let _ = move_money(&service.service, 999_999, "topup", "key", 1).await.expect_error(404, "user_not_found");
    let again = move_money(&service.service, 999_999, "topup", "key", 1).await.expect_error(404, "user_not_found");
    assert!(is_replayed(&again));
}

#[tokio::test]
async fn a_key_belongs_to_one_caller_and_one_route() {
    let service = Service::start().await;
    let (john, jane) = (service.user("john", 100).await, service.user("jane", 100).await);
    for reply in [
        move_money(&john.api, john.id, "topup", "key", 10).await,
        move_money(&john.api, john.id, "debit", "key", 10).await,
        move_money(&service.service, john.id, "topup", "key", 10).await,
        move_money(&jane.api, jane.id, "topup", "key", 10).await,
        move_money(&john.api, john.id, "topup", "KEY", 10).await,
        service
            .service
            .keyed("key")
            .put(&format!("/internal/users/{}/balance", john.id), json!({"action": "credit", "amount": 10}))
            .await,
    ] {
        assert!(!is_replayed(&reply.expect(200)));
    }
    assert_eq!(service.balance(&john).await, Balance::new(130, 0));
    assert_eq!(service.balance(&jane).await, Balance::new(110, 0));
}

#[tokio::test]
async fn what_never_took_effect_does_not_burn_its_key() {
    let service = Service::start().await;
    let (user, other) = (service.user("john", 0).await, service.user("other", 0).await);
    let path = user.path("/topup");
    assert_names_field(user.api.keyed("key").post(&path, json!({"amount": 0})).await, "invalid_amount", "amount");
    let _ = service.anyone.keyed("key").post(&path, json!({"amount": 10})).await.expect_error(401, "missing_token");
    let _ = other.api.keyed("key").post(&path, json!({"amount": 10})).await.expect_error(403, "forbidden");
    assert!(!is_replayed(&move_money(&user.api, user.id, "topup", "key", 10).await.expect(200)));

    let internal = format!("/internal/users/{}/balance", user.id);
    let change = |reference: &str| json!({"action": "credit", "amount": 10, "reference": reference});
    assert_names_field(service.service.keyed("key").put(&internal, change("")).await, "invalid_value", "reference");
    assert!(!is_replayed(&service.service.keyed("key").put(&internal, change("Refund")).await.expect(200)));
    assert_eq!(service.balance(&user).await, Balance::new(20, 0));
}

#[tokio::test]
async fn a_top_up_that_fails_half_way_leaves_no_trace_and_shows_no_sql() {
    let service = Service::start().await;
    let user = service.user("john", 0).await;
    service.run("RENAME TABLE outbox TO outbox_away").await;
    let failed = move_money(&user.api, user.id, "topup", "key", 10).await.expect_error(500, "internal_error");
    for inside in ["outbox", "wallet_test", "1146", "SELECT", "INSERT"] {
        assert!(!failed.text.contains(inside), "{}", failed.text);
    }
    assert_eq!(service.balance(&user).await, Balance::new(0, 0));
    service.run("RENAME TABLE outbox_away TO outbox").await;
    let done = move_money(&user.api, user.id, "topup", "key", 10).await.expect(200);
    assert_eq!((is_replayed(&done), &done["balance"]), (false, &json!(10)));
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_key_is_1_to_255_visible_characters() {
    let service = Service::start().await;
    let user = service.user("john", 0).await;
    let longest = "k".repeat(255);
    let _ = move_money(&user.api, user.id, "topup", &longest, 10).await.expect(200);
    assert!(is_replayed(&move_money(&user.api, user.id, "topup", &longest, 10).await.expect(200)));
    for key in ["", "two words", "tab\there", &"k".repeat(256)] {
        let _ = move_money(&user.api, user.id, "topup", key, 10).await.expect_error(400, "invalid_idempotency_key");
    }
    assert_eq!(service.balance(&user).await, Balance::new(10, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_requests_with_one_key_take_effect_once() {
    let service = Service::start().await;
    let user = service.user("john", 0).await;
    let mut top_ups = JoinSet::new();
    for _ in 0..100 {
        let (api, id) = (user.api.clone(), user.id);
        top_ups.spawn(async move { move_money(&api, id, "topup", "key", 100).await.expect(200) });
    }
    let replies = top_ups.join_all().await;
    let texts: BTreeSet<&str> = replies.iter().map(|reply| reply.text.as_str()).collect();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert_eq!(replies.iter().filter(|reply| !is_replayed(reply)).count(), 1);
    assert_eq!(service.balance(&user).await, Balance::new(100, 0));
    service.assert_ledger_holds().await;
}
