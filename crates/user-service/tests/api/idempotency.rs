//! A request that is sent twice takes effect once and is answered twice.

use std::collections::BTreeSet;

use lab::http::{Api, Reply};
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
    let route = format!("/internal/users/{}/balance", user.id);
    let named = service.service.clone().with("x-service-name", &"n".repeat(32)).keyed(&longest);
    let _ = named.put(&route, json!({"amount": 10, "action": "credit"})).await.expect(200);
    let _ = move_money(&user.api, user.id, "topup", &longest, 10).await.expect(200);
    assert!(is_replayed(&move_money(&user.api, user.id, "topup", &longest, 10).await.expect(200)));
    for key in ["", "two words", "tab\there", &"k".repeat(256)] {
        let _ = move_money(&user.api, user.id, "topup", key, 10).await.expect_error(400, "invalid_idempotency_key");
    }
    assert_eq!(service.balance(&user).await, Balance::new(20, 0));
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

/// A credit under a `reference`, and under a key if it is not empty.
async fn credit(service: &Api, user: i64, key: &str, reference: &str, amount: i64) -> Reply {
    let api = if key.is_empty() { service.clone() } else { service.keyed(key) };
    let body = json!({"action": "credit", "amount": amount, "reference": reference});
    api.put(&format!("/internal/users/{user}/balance"), body).await
}

#[tokio::test]
async fn a_reference_is_the_identity_of_a_movement() {
    let service = Service::start().await;
    let (john, jane) = (service.user("john", 0).await, service.user("jane", 0).await);
    let first = credit(&service.service, john.id, "", "Gaji Café 7", 10).await.expect(200);
    assert!(!is_replayed(&first));
    let _ = john.top_up(1).await.expect(200);
    for same in ["Gaji Café 7", " Gaji Café 7 ", "Gaji Cafe\u{301} 7"] {
        let again = credit(&service.service, john.id, "", same, 10).await.expect(200);
        assert_eq!((is_replayed(&again), &again.text), (true, &first.text), "{same:?}");
    }
    let path = format!("/internal/users/{}/balance", john.id);
    for other in [
        json!({"action": "credit", "amount": 11, "reference": "Gaji Café 7"}),
        json!({"action": "debit", "amount": 10, "reference": "Gaji Café 7"}),
    ] {
        let reused = service.service.put(&path, other).await;
        let _ = reused.expect_error(422, "idempotency_key_reused");
    }
    for fresh in [
        credit(&service.service, john.id, "", "Gaji Café 8", 10).await,
        credit(&service.service, john.id, "", "gaji café 7", 10).await,
        credit(&service.service, jane.id, "", "Gaji Café 7", 10).await,
        service.service.put(&path, json!({"action": "credit", "amount": 10})).await,
        service.service.put(&path, json!({"action": "credit", "amount": 10})).await,
    ] {
        assert!(!is_replayed(&fresh.expect(200)));
    }
    assert_eq!(service.balance(&john).await, Balance::new(10 + 1 + 10 + 10 + 20, 0));
    assert_eq!(service.balance(&jane).await, Balance::new(10, 0));
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_refusal_under_a_reference_is_answered_again() {
    let service = Service::start().await;
    let user = service.user("john", 10).await;
    let path = format!("/internal/users/{}/balance", user.id);
    let debit = json!({"action": "debit", "amount": 50, "reference": "Invoice 1"});
    for (key, replayed) in [("", false), ("", true), ("key", true), ("key", true)] {
        let api = if key.is_empty() { service.service.clone() } else { service.service.keyed(key) };
        let refused = api.put(&path, debit.clone()).await.expect_error(400, "insufficient_balance");
        assert_eq!(is_replayed(&refused), replayed);
        let _ = user.top_up(100).await.expect(200);
    }
    let nobody = credit(&service.service, 999_999, "key", "Gift", 1).await.expect_error(404, "user_not_found");
    let again = credit(&service.service, 999_999, "", "Gift", 1).await.expect_error(404, "user_not_found");
    assert_eq!((is_replayed(&nobody), is_replayed(&again)), (false, true));
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn of_a_key_and_a_reference_each_identifies_the_movement() {
    let service = Service::start().await;
    let user = service.user("john", 0).await;
    let (api, id) = (&service.service, user.id);
    let first = credit(api, id, "k1", "r1", 10).await.expect(200);
    assert!(!is_replayed(&first));
    // known by both, by either beside a new one, and by those new ones from then on
    for (key, reference) in [("k1", "r1"), ("", "r1"), ("k2", "r1"), ("k2", "r1")] {
        let again = credit(api, id, key, reference, 10).await.expect(200);
        assert_eq!((is_replayed(&again), &again.text), (true, &first.text), "{key} {reference}");
    }
    let keyed = |key: &str| api.keyed(key);
    let path = format!("/internal/users/{id}/balance");
    for (what, reused) in [
        ("a known key, another reference", credit(api, id, "k1", "r2", 10).await),
        ("a key that was bound beside a known reference", credit(api, id, "k2", "r2", 10).await),
        ("a known key, no reference", keyed("k1").put(&path, json!({"action": "credit", "amount": 10})).await),
        ("a known key, another amount", credit(api, id, "k1", "r1", 11).await),
        ("a new key, a known reference, another amount", credit(api, id, "k3", "r1", 11).await),
        ("no key, a known reference, another amount", credit(api, id, "", "r1", 11).await),
    ] {
        assert_eq!(reused.status, 422, "{what}");
        let _ = reused.expect_error(422, "idempotency_key_reused");
    }
    // what was refused so has bound nothing
    assert!(!is_replayed(&credit(api, id, "k3", "r2", 10).await.expect(200)));
    // a key alone, and then beside a reference
    let _ = keyed("k4").put(&path, json!({"action": "credit", "amount": 10})).await.expect(200);
    let _ = credit(api, id, "k4", "r4", 10).await.expect_error(422, "idempotency_key_reused");
    assert!(!is_replayed(&credit(api, id, "", "r4", 10).await.expect(200)));
    assert_eq!(service.balance(&user).await, Balance::new(40, 0));
    service.assert_ledger_holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_requests_that_share_a_key_or_a_reference_at_the_same_time_one_moves_money() {
    let service = Service::start().await;
    let user = service.user("john", 0).await;
    let other = service.another_instance().await;
    for round in 0..8 {
        let mut requests = JoinSet::new();
        for n in 0..16 {
            let api = [&service.service, &other][n % 2].clone();
            // three keys and none, one reference: whoever is first, the others are the same movement
            let key = ["", "one", "two", "three"][n / 2 % 4];
            let (key, id) = (if key.is_empty() { String::new() } else { format!("{key}-{round}") }, user.id);
            requests.spawn(async move { credit(&api, id, &key, &format!("race {round}"), 100).await.expect(200) });
        }
        let replies = requests.join_all().await;
        assert_eq!(replies.iter().filter(|reply| !is_replayed(reply)).count(), 1);
        assert!(replies.iter().all(|reply| reply.text == replies[0].text));
        assert_eq!(service.balance(&user).await, Balance::new(100 * (round + 1), 0));
    }
    for round in 0..8 {
        // one key, with a reference and without: one of the bodies wins
        let key = format!("key-{round}");
        let keyed = service.service.keyed(&key);
        let (path, body) = (format!("/internal/users/{}/balance", user.id), json!({"action": "debit", "amount": 1}));
        let reference = format!("late {round}");
        let (plain, named) = tokio::join!(keyed.put(&path, body), credit(&other, user.id, &key, &reference, 1));
        let mut statuses = [plain.status.as_u16(), named.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 422]);
    }
    service.assert_ledger_holds().await;
}
