//! `?dry_run=true`: what top-ups, debits and steps of transactions would come to, and that nothing comes of it.

use futures::future::join_all;
use lab::http::{Api, Reply};
use serde_json::{Value, json};

use crate::support::{Balance, Service, User, assert_names_field, capture, hold, outcomes, transfer};

/// The number of a transaction that is not made.
const NO_NUMBER: i64 = i64::MAX;

/// How many rows there are of everything that moving money writes; a key is a reference of an operation.
async fn rows(service: &Service) -> Vec<i64> {
    let pool = service.database.pool();
    let mut counts = Vec::new();
    for count in [
        "SELECT COUNT(*) FROM operations",
        "SELECT COUNT(*) FROM ledger_entries",
        "SELECT COUNT(*) FROM holds",
        "SELECT COUNT(*) FROM outbox",
    ] {
        counts.push(sqlx::query_scalar(count).fetch_one(&pool).await.expect("rows can be counted"));
    }
    counts
}

/// What `/internal/operations/dry-run` answers, with nothing changed.
async fn try_out(service: &Service, shown: &User, operations: Value) -> Reply {
    let (before, balance) = (rows(service).await, service.balance(shown).await);
    let body = json!({"user_id": shown.id, "operations": operations});
    let tried = service.service.post("/internal/operations/dry-run", body).await.expect(200);
    assert_eq!((rows(service).await, service.balance(shown).await), (before, balance), "{}", tried.text);
    tried
}

async fn limit(service: &Service, user: &User, limits: Value) {
    let _ = service.service.put(&user.path("/limits"), limits).await.expect(200);
}

#[tokio::test]
async fn a_top_up_and_a_debit_are_answered_as_if_they_were_made() {
    let service = Service::start().await;
    let user = service.user("ani", 1_000).await;
    let before = rows(&service).await;
    for (verb, balance) in [("topup", 1_250.5), ("debit", 749.5)] {
        let path = user.path(&format!("/{verb}"));
        let tried =
            user.api.keyed("k-1").post(&format!("{path}?dry_run=true"), json!({"amount": 250.5})).await.expect(200);
        let expected =
            json!({"balance": balance, "dry_run": true, "fee": 0, "balances": {"available": balance, "held": 0}});
        assert_eq!(tried.json, expected);
    }
    assert_eq!((rows(&service).await, service.balance(&user).await), (before, Balance::new(1_000, 0)));
    // the key is free, also for another body
    let made = user.api.keyed("k-1").post(&user.path("/topup?dry_run=false"), json!({"amount": 7})).await.expect(200);
    assert_eq!(made.json, json!({"id": user.id, "balance": 1_007}));
    // and one that is taken does not matter
    let tried = user.api.keyed("k-1").post(&user.path("/topup?dry_run=true"), json!({"amount": 9})).await.expect(200);
    assert_eq!((&tried["balance"], tried.headers.get("idempotent-replayed")), (&json!(1_016), None));
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn what_would_be_refused_is_refused_alike_and_no_refusal_is_kept() {
    let service = Service::start().await;
    let user = service.user("ani", 1_000).await;
    limit(&service, &user, json!({"per_day": 500})).await;
    let missing = format!("/users/{}/debit", i64::MAX);
    let owned = [
        (user.path("/debit"), json!({"amount": 5_000}), 400, "insufficient_balance"),
        (user.path("/debit"), json!({"amount": 501}), 400, "limit_exceeded"),
        (user.path("/debit"), json!({"amount": 0}), 400, "invalid_amount"),
        (user.path("/topup"), json!({"amount": 1, "x": 1}), 400, "unknown_field"),
        (missing, json!({"amount": 1}), 404, "user_not_found"),
    ];
    let same = async |path: &str, body: &Value, status: u16, code: &str| {
        let before = rows(&service).await;
        let api = service.service.keyed("k-1");
        let tried = api.post(&format!("{path}?dry_run=true"), body.clone()).await.expect_error(status, code);
        assert_eq!(rows(&service).await, before, "{}", tried.text);
        let real = service.service.post(path, body.clone()).await.expect_error(status, code);
        let without_request = |reply: &Reply| {
            let mut body = reply.json.clone();
            body.as_object_mut().unwrap().remove("request_id");
            body
        };
        assert_eq!(without_request(&tried), without_request(&real));
    };
    for (path, body, status, code) in &owned {
        same(path, body, *status, code).await;
    }
    for (state, code) in [("frozen", "account_frozen"), ("locked", "account_locked")] {
        let _ =
            service.service.put(&user.path("/state"), json!({"state": state, "reason": "a test"})).await.expect(200);
        same(&user.path("/debit"), &json!({"amount": 1}), 403, code).await;
    }
    same(&user.path("/topup"), &json!({"amount": 1}), 403, "account_locked").await;
}

#[tokio::test]
async fn limits_are_shown_as_they_would_be_used_and_not_where_there_are_none() {
    let service = Service::start().await;
    let user = service.user("ani", 1_000).await;
    limit(&service, &user, json!({"per_transaction": 900, "per_month": 800})).await;
    let body = json!({"amount": 300});
    let tried = user.api.post(&user.path("/debit?dry_run=true"), body.clone()).await.expect(200);
    assert_eq!((&tried["limits"]["month"]["used"], &tried["limits"]["month"]["remaining"]), (&json!(300), &json!(500)));
    let unused = user.api.get(&user.path("/limits")).await.expect(200);
    assert_eq!(unused["month"]["used"], 0, "nothing was counted");
    let _ = user.api.post(&user.path("/debit"), body).await.expect(200);
    assert_eq!(user.api.get(&user.path("/limits")).await.expect(200).json, tried["limits"]);
    limit(&service, &user, json!({"per_transaction": null, "per_month": null})).await;
    let tried = user.api.post(&user.path("/debit?dry_run=true"), json!({"amount": 1})).await.expect(200);
    assert_eq!(tried["limits"], Value::Null);
}

#[tokio::test]
async fn steps_are_tried_by_the_rules_of_a_post_and_leave_no_hold() {
    let service = Service::start().await;
    let (ani, budi) = (service.user("ani", 1_000).await, service.user("budi", 0).await);
    let tried = try_out(&service, &ani, json!([hold(NO_NUMBER, &ani, &budi, 600)])).await;
    assert_eq!(
        (outcomes(&tried), &tried["standing"]["balances"]),
        (vec!["applied".into()], &json!({"available": 400, "held": 600}))
    );
    let tried = try_out(&service, &ani, json!([hold(NO_NUMBER, &ani, &budi, 1_001)])).await;
    assert_eq!(
        (outcomes(&tried), &tried["standing"]["balances"]["available"]),
        (vec!["insufficient_balance".into()], &json!(1_000))
    );
    // each on what the one before it would leave
    let both = json!([transfer(NO_NUMBER - 1, &ani, &budi, 600), transfer(NO_NUMBER, &ani, &budi, 600)]);
    let tried = try_out(&service, &budi, both).await;
    assert_eq!(outcomes(&tried), ["applied", "insufficient_balance"]);
    assert_eq!(
        tried["standing"]["balances"],
        json!({"available": 600, "held": 0}),
        "of the account that was asked for"
    );

    assert_eq!(service.execute(json!([hold(1, &ani, &budi, 600)])).await, ["applied"]);
    let part = capture(1, 2, &ani, &budi, 250);
    for _ in 0..2 {
        let tried = try_out(&service, &ani, json!([part])).await;
        assert_eq!(tried["standing"]["balances"], json!({"available": 400, "held": 350}));
    }
    assert_eq!(outcomes(&try_out(&service, &ani, json!([capture(1, 2, &ani, &budi, 601)])).await), ["not_held"]);
    assert_eq!(service.execute(json!([part])).await, ["applied"]);
    // a step that was carried out would be answered again
    let tried = try_out(&service, &ani, json!([part])).await;
    assert_eq!((outcomes(&tried), &tried["standing"]["balances"]["held"]), (vec!["applied".into()], &json!(350)));

    let shown = try_out(&service, &ani, json!([])).await;
    assert_eq!(shown.json, json!({"outcomes": [], "standing": {"balances": {"available": 400, "held": 350}}}));
    let nobody = json!({"user_id": i64::MAX, "operations": []});
    let nobody = service.service.post("/internal/operations/dry-run", nobody).await.expect(200);
    assert_eq!(nobody.json, json!({"outcomes": []}));
    let many = json!({"user_id": ani.id, "operations": vec![part; 1_001]});
    assert_names_field(service.service.post("/internal/operations/dry-run", many).await, "invalid_value", "operations");
    let _ = ani
        .api
        .post("/internal/operations/dry-run", json!({"user_id": ani.id, "operations": []}))
        .await
        .expect_error(403, "forbidden");
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn what_cannot_be_tried_refuses_to_be() {
    let service = Service::start().await;
    let user = service.user("ani", 10).await;
    let credit = json!({"action": "credit", "amount": 1});
    let balance = format!("/internal/users/{}/balance?dry_run=true", user.id);
    assert_names_field(service.service.put(&balance, credit).await, "unknown_field", "dry_run");
    assert_names_field(user.api.delete(&user.path("?dry_run=true")).await, "unknown_field", "dry_run");
    assert_eq!(service.balance(&user).await, Balance::new(10, 0));
}

#[tokio::test]
async fn many_that_are_tried_beside_payments_change_nothing_and_hold_nobody_up() {
    let service = Service::start().await;
    let (ani, budi) = (service.user("ani", 1_000).await, service.user("budi", 1_000).await);
    let another = service.another_instance().await;
    let pay = async |n: i64| {
        let (from, to) = if n % 2 == 0 { (&ani, &budi) } else { (&budi, &ani) };
        assert_eq!(service.execute(json!([transfer(n + 1, from, to, 10)])).await, ["applied"]);
    };
    let try_one = async |n: i64| {
        let (api, from, to): (&Api, _, _) =
            if n % 2 == 0 { (&another, &ani, &budi) } else { (&service.service, &budi, &ani) };
        let body = json!({"user_id": from.id, "operations": [transfer(NO_NUMBER, from, to, 700)]});
        let tried = api.post("/internal/operations/dry-run", body).await.expect(200);
        assert_eq!(outcomes(&tried), ["applied"]);
    };
    tokio::join!(join_all((0..60).map(pay)), join_all((0..60).map(try_one)));
    assert_eq!(
        (service.balance(&ani).await, service.balance(&budi).await),
        (Balance::new(1_000, 0), Balance::new(1_000, 0))
    );
    assert_eq!(rows(&service).await[2], 60, "holds of the payments alone");
    service.assert_ledger_holds().await;
}
