//! Limits of what an account pays.

use chrono::{DateTime, Datelike, Utc};
use chrono_tz::Tz;
use lab::http::Reply;
use serde_json::{Value, json};

use crate::support::{Service, User, assert_names_field, capture, hold, outcomes, refund, release, transfer};

async fn set(service: &Service, user: &User, limits: Value) -> Reply {
    service.service.put(&user.path("/limits"), limits).await
}

async fn used(user: &User) -> Value {
    user.api.get(&user.path("/limits")).await.expect(200)["day"]["used"].clone()
}

/// A service with a sender who has 1,000 and a receiver.
async fn pair() -> (Service, User, User) {
    let service = Service::start().await;
    let (sender, receiver) = (service.user("sender", 1_000).await, service.user("receiver", 0).await);
    (service, sender, receiver)
}

#[tokio::test]
async fn limits_are_set_one_by_one_and_removed_by_null() {
    let (service, user, _) = pair().await;
    let none = json!({
        "user_id": user.id, "per_transaction": null, "per_day": null, "per_month": null, "day": null, "month": null,
    });
    assert_eq!(user.api.get(&user.path("/limits")).await.expect(200).json, none);
    let all = set(&service, &user, json!({"per_transaction": 50.5, "per_day": "100", "per_month": 1_000})).await;
    let all = all.expect(200);
    assert_eq!(
        (&all["per_transaction"], &all["per_day"], &all["per_month"]),
        (&json!(50.5), &json!(100), &json!(1_000))
    );
    let one = set(&service, &user, json!({"per_day": null})).await.expect(200);
    assert_eq!((&one["per_transaction"], &one["per_day"], &one["day"]), (&json!(50.5), &json!(null), &json!(null)));
    assert_eq!((&one["per_month"], &one["month"]["remaining"]), (&json!(1_000), &json!(1_000)));
    assert_eq!(user.api.get(&user.path("/limits")).await.expect(200).json, one.json);
}

#[tokio::test]
async fn a_limit_is_an_amount_and_set_by_services() {
    let (service, user, other) = pair().await;
    let _ = set(&service, &user, json!({})).await.expect_error(400, "nothing_to_change");
    for wrong in [json!(0), json!(-1), json!(0.001), json!("10.000"), json!(1_000_000_000_000_000_i64), json!(true)] {
        assert_names_field(set(&service, &user, json!({"per_day": wrong})).await, "invalid_value", "per_day");
    }
    assert_names_field(set(&service, &user, json!({"per_week": 1})).await, "unknown_field", "per_week");
    let _ = user.api.put(&user.path("/limits"), json!({"per_day": 1})).await.expect_error(403, "forbidden");
    let _ = other.api.get(&user.path("/limits")).await.expect_error(403, "forbidden");
    let _ = service.anyone.get(&user.path("/limits")).await.expect_error(401, "missing_token");
    let nobody = service.service.put("/users/999999999/limits", json!({"per_day": 1})).await;
    let _ = nobody.expect_error(404, "user_not_found");
    let _ = service.service.get("/users/999999999/limits").await.expect_error(404, "user_not_found");
}

#[tokio::test]
async fn what_exceeds_a_limit_is_refused_with_what_is_left_and_until_when() {
    let (service, user, other) = pair().await;
    let limits = json!({"per_transaction": 500, "per_day": 600, "per_month": 700});
    let _ = set(&service, &user, limits).await.expect(200);
    let once = user.debit(501).await.expect_error(400, "limit_exceeded");
    assert_eq!(
        (&once["limit"], &once["remaining"], &once["resets_at"]),
        (&json!("per_transaction"), &json!(500), &json!(null))
    );
    let _ = user.debit(500).await.expect(200);
    let day = user.debit(101).await.expect_error(400, "limit_exceeded");
    assert_eq!((&day["limit"], &day["remaining"]), (&json!("per_day"), &json!(100)));
    let resets_at: DateTime<Utc> = day["resets_at"].as_str().unwrap().parse().unwrap();
    let midnight = resets_at.with_timezone(&Tz::Asia__Jakarta);
    assert_eq!(midnight.time(), chrono::NaiveTime::MIN);
    let shown = user.api.get(&user.path("/limits")).await.expect(200);
    let day = json!({"used": 500, "remaining": 100, "resets_at": day["resets_at"]});
    assert_eq!(shown["day"], day);
    assert_eq!((&shown["month"]["used"], &shown["month"]["remaining"]), (&json!(500), &json!(200)));
    let next_month: DateTime<Utc> = shown["month"]["resets_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(next_month.with_timezone(&Tz::Asia__Jakarta).day(), 1);

    let _ = set(&service, &user, json!({"per_day": null})).await.expect(200);
    let step = json!({"operations": [transfer(1, &user, &other, 201)]});
    let refused = service.service.post("/internal/operations", step).await.expect(200);
    assert_eq!(outcomes(&refused), ["limit_exceeded"]);
    let exceeded = json!({"limit": "per_month", "remaining": 200, "resets_at": shown["month"]["resets_at"]});
    assert_eq!(refused["outcomes"][0]["exceeded"], exceeded);
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_refusal_stays_as_it_was_answered_after_the_limit_has_changed() {
    let (service, user, other) = pair().await;
    let _ = set(&service, &user, json!({"per_day": 100})).await.expect(200);
    let keyed = user.api.keyed("k-1");
    let first = keyed.post(&user.path("/debit"), json!({"amount": 101})).await.expect_error(400, "limit_exceeded");
    let step = json!({"operations": [hold(1, &user, &other, 101)]});
    let held = service.service.post("/internal/operations", step.clone()).await.expect(200);
    let named = json!({"action": "debit", "amount": 101, "reference": "r-1"});
    let path = format!("/internal/users/{}/balance", user.id);
    let by_reference = service.service.keyed("k-2").put(&path, named.clone()).await.expect_error(400, "limit_exceeded");
    let _ = set(&service, &user, json!({"per_day": null})).await.expect(200);
    let again = keyed.post(&user.path("/debit"), json!({"amount": 101})).await.expect_error(400, "limit_exceeded");
    assert_eq!(again.header("idempotent-replayed"), "true");
    for member in ["limit", "remaining", "resets_at"] {
        assert_eq!(again[member], first[member]);
    }
    let again = service.service.put(&path, named).await.expect_error(400, "limit_exceeded");
    assert_eq!(again["resets_at"], by_reference["resets_at"], "under its other identity");
    assert_eq!(service.service.post("/internal/operations", step).await.expect(200).json, held.json);
    let _ = user.debit(101).await.expect(200);
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn holds_and_debits_count_when_they_are_made_and_what_is_released_no_longer_does() {
    let (service, user, other) = pair().await;
    let _ = set(&service, &user, json!({"per_day": 100})).await.expect(200);
    let made = json!([hold(1, &user, &other, 40), transfer(2, &user, &other, 30)]);
    assert_eq!(service.execute(made.clone()).await, ["applied", "applied"]);
    let _ = user.debit(20).await.expect(200);
    assert_eq!(used(&user).await, 90);
    assert_eq!(service.execute(made).await, ["applied", "applied"], "asked again");
    assert_eq!(used(&user).await, 90);
    let given =
        json!([capture(1, 2, &user, &other, 15), release(1, 3, &user, &other), refund(3, 2, &other, &user, 30)]);
    assert_eq!(service.execute(given).await, ["applied", "applied", "applied"]);
    assert_eq!(used(&user).await, 65, "25 of the hold are back, and a refund is not counted");
    let mut last = capture(4, 2, &user, &other, 5);
    last["capture"]["final"] = json!(true);
    assert_eq!(service.execute(json!([hold(4, &user, &other, 35), last])).await, ["applied", "applied"]);
    assert_eq!(used(&user).await, 70);
    let received = json!([transfer(5, &other, &user, 10)]);
    assert_eq!(service.execute(received).await, ["applied"]);
    assert_eq!(used(&user).await, 70, "what comes in does not count");
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_release_gives_back_to_the_day_and_the_month_of_its_hold() {
    let (service, user, other) = pair().await;
    let _ = set(&service, &user, json!({"per_day": 100, "per_month": 200})).await.expect(200);
    assert_eq!(
        service.execute(json!([hold(1, &user, &other, 60), hold(2, &user, &other, 30)])).await,
        ["applied", "applied"]
    );
    // as if the first had been made in a month before
    service.run("UPDATE holds SET counted_on = counted_on - INTERVAL 40 DAY WHERE transaction_id = 1").await;
    service.run("UPDATE accounts SET spent_day = 30, spent_month = 30 WHERE spent_on IS NOT NULL").await;
    let released = json!([release(1, 2, &user, &other)]);
    assert_eq!(service.execute(released).await, ["applied"]);
    assert_eq!(used(&user).await, 30);
    assert_eq!(service.execute(json!([release(2, 2, &user, &other)])).await, ["applied"]);
    assert_eq!(used(&user).await, 0);
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_new_day_begins_with_nothing() {
    let (service, user, _) = pair().await;
    let _ = set(&service, &user, json!({"per_day": 100, "per_month": 120})).await.expect(200);
    let _ = user.debit(100).await.expect(200);
    let _ = user.debit(1).await.expect_error(400, "limit_exceeded");
    service.run("UPDATE accounts SET spent_on = spent_on - INTERVAL 40 DAY WHERE spent_on IS NOT NULL").await;
    assert_eq!(used(&user).await, 0);
    let _ = user.debit(100).await.expect(200);
    assert_eq!(used(&user).await, 100);
}

#[tokio::test]
async fn accounts_have_the_defaults_until_something_else_is_set() {
    let service = Service::start_with(|config| config.limits.per_day = Some("100".parse().unwrap())).await;
    let user = service.user("user", 1_000).await;
    assert_eq!(user.api.get(&user.path("/limits")).await.expect(200)["per_day"], 100);
    let _ = user.debit(101).await.expect_error(400, "limit_exceeded");
    let _ = set(&service, &user, json!({"per_day": null})).await.expect(200);
    let _ = user.debit(101).await.expect(200);
    let _ = set(&service, &user, json!({"per_day": 150})).await.expect(200);
    let _ = user.debit(151).await.expect_error(400, "limit_exceeded");
}

#[tokio::test]
async fn payments_at_once_at_two_instances_do_not_pass_a_limit() {
    let (service, user, other) = pair().await;
    let _ = set(&service, &user, json!({"per_day": 100})).await.expect(200);
    let second = service.another_instance().await;
    let payments = (1..=40).map(|n| {
        let api = if n % 2 == 0 { service.service.clone() } else { second.clone() };
        let step = if n % 3 == 0 { hold(n, &user, &other, 30) } else { transfer(n, &user, &other, 30) };
        async move { api.post("/internal/operations", json!({"operations": [step]})).await.expect(200) }
    });
    let replies = futures::future::join_all(payments).await;
    let applied = replies.iter().filter(|reply| outcomes(reply) == ["applied"]).count();
    assert_eq!(applied, 3);
    assert!(replies.iter().all(|reply| ["applied", "limit_exceeded"].contains(&&*outcomes(reply)[0])));
    assert_eq!(used(&user).await, 90);
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn an_account_without_limits_is_read_and_written_as_ever() {
    let (service, user, other) = pair().await;
    assert_eq!(
        service.execute(json!([hold(1, &user, &other, 60), transfer(2, &user, &other, 30)])).await,
        ["applied", "applied"]
    );
    let counted: i64 = sqlx::query_scalar(
        "SELECT (SELECT COUNT(*) FROM holds WHERE counted_on IS NOT NULL)
              + (SELECT COUNT(*) FROM accounts WHERE spent_on IS NOT NULL)",
    )
    .fetch_one(&service.database.pool())
    .await
    .unwrap();
    assert_eq!(counted, 0);
}
