//! `GET /internal/ledger/verify`: the proof that no money was lost or made.

use chrono_tz::Tz;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, MySqlPool};
use user_service::{
    app::{audit, ledger::Ledger},
    domain::limits::Limits,
};

use crate::support::{Service, capture, hold, release, transfer};

async fn operation(pool: &MySqlPool, kind: &str) -> i64 {
    sqlx::query_scalar("SELECT id FROM operations WHERE kind = ?").bind(kind).fetch_one(pool).await.expect("one row")
}

#[tokio::test]
async fn an_empty_ledger_and_a_busy_one_are_proved() {
    let service = Service::start().await;
    let empty = service.service.get("/internal/ledger/verify").await.expect(200);
    assert_eq!(empty.json, json!({"ok": true, "checked_operations": 0, "checked_users": 0, "violations": []}));

    let (one, two) = (service.user("one", 100).await, service.user("two", 0).await);
    let _ = one.top_up(50).await.expect(200);
    let _ = one.debit(1000).await.expect_error(400, "insufficient_balance");
    let _ = one.debit(10).await.expect(200);
    let steps = [
        hold(1, &one, &two, 20),
        capture(1, 2, &one, &two, 20),
        hold(2, &one, &two, 20),
        release(2, 2, &one, &two),
        transfer(3, &two, &one, 5),
        hold(4, &one, &two, 7),
        release(5, 2, &one, &two),
        hold(6, &two, &one, 1000),
    ];
    service.execute(json!(steps)).await;
    let proof = service.service.get("/internal/ledger/verify").await.expect(200);
    assert_eq!(proof.json, json!({"ok": true, "checked_operations": 12, "checked_users": 2, "violations": []}));
}

#[tokio::test]
async fn each_kind_of_damage_is_found_and_named() {
    let service = Service::start().await;
    let (one, two) = (service.user("one", 0).await, service.user("two", 0).await);
    let _ = one.top_up(100).await.expect(200);
    let _ = service.service.put(&one.path("/limits"), json!({"per_day": 1_000})).await.expect(200);
    service.execute(json!([hold(1, &one, &two, 60)])).await;
    let _ = one.debit(1000).await.expect_error(400, "insufficient_balance");
    let pool = service.database.pool();
    let [topup, held, refused] =
        [operation(&pool, "topup").await, operation(&pool, "hold").await, operation(&pool, "debit").await];
    let id = one.id;

    for (damage, repair, rule, subject) in [
        (
            format!("UPDATE accounts SET available = available + 0.01 WHERE user_id = {id}"),
            format!("UPDATE accounts SET available = available - 0.01 WHERE user_id = {id}"),
            "balance and held equal the sums of their entries",
            format!("user {id}"),
        ),
        (
            format!("UPDATE accounts SET held = held - 1, available = available + 1 WHERE user_id = {id}"),
            format!("UPDATE accounts SET held = held + 1, available = available - 1 WHERE user_id = {id}"),
            "held money equals what is left of the holds",
            format!("user {id}"),
        ),
        (
            format!("DELETE FROM ledger_entries WHERE operation_id = {topup} AND account = 'external'"),
            format!("INSERT INTO ledger_entries VALUES ({topup}, 0, 'external', {id}, -100, NULL, NULL)"),
            "each operation sums to 0",
            format!("operation {topup}"),
        ),
        (
            format!("UPDATE ledger_entries SET amount = 61 WHERE operation_id = {held} AND account = 'held'"),
            format!("UPDATE ledger_entries SET amount = 60 WHERE operation_id = {held} AND account = 'held'"),
            "each operation sums to 0",
            format!("operation {held}"),
        ),
        (
            format!(
                "UPDATE ledger_entries SET balance_after = 41 WHERE operation_id = {held} AND account = 'available'"
            ),
            format!(
                "UPDATE ledger_entries SET balance_after = 40 WHERE operation_id = {held} AND account = 'available'"
            ),
            "balance_after chains",
            format!("user {id} available operation {held}"),
        ),
        (
            format!("UPDATE accounts SET spent_day = 59 WHERE user_id = {id}"),
            format!("UPDATE accounts SET spent_day = 60 WHERE user_id = {id}"),
            "what counts against limits is no less than what holds took on the day",
            format!("user {id}"),
        ),
        (
            format!("UPDATE accounts SET spent_month = 59 WHERE user_id = {id}"),
            format!("UPDATE accounts SET spent_month = 60 WHERE user_id = {id}"),
            "what counts against limits is no less than what holds took on the day",
            format!("user {id}"),
        ),
        (
            "UPDATE holds SET amount = 59 WHERE transaction_id = 1".to_owned(),
            "UPDATE holds SET amount = 60 WHERE transaction_id = 1".to_owned(),
            "held money equals what is left of the holds",
            format!("user {id}"),
        ),
        (
            "UPDATE holds SET released = amount WHERE transaction_id = 1".to_owned(),
            "UPDATE holds SET released = 0 WHERE transaction_id = 1".to_owned(),
            "held money equals what is left of the holds",
            format!("user {id}"),
        ),
        (
            format!("UPDATE operations SET refusal = 'not_held' WHERE id = {held}"),
            format!("UPDATE operations SET refusal = NULL WHERE id = {held}"),
            "a refused operation has no entries",
            format!("operation {held}"),
        ),
        (
            format!("UPDATE operations SET refusal = NULL WHERE id = {refused}"),
            format!("UPDATE operations SET refusal = 'insufficient_balance' WHERE id = {refused}"),
            "an applied movement has entries",
            format!("operation {refused}"),
        ),
    ] {
        service.run(&damage).await;
        let proof = service.service.get("/internal/ledger/verify").await.expect(200);
        assert_eq!(proof["ok"], false, "{damage}");
        let violations = proof["violations"].as_array().expect("a list");
        let is_named = |violation: &Value| violation["rule"] == rule && violation["subject"] == subject.as_str();
        assert!(violations.iter().any(is_named), "{damage}: {}", proof.text);
        service.run(&repair).await;
        service.assert_ledger_holds().await;
    }
}

#[tokio::test]
async fn the_database_itself_refuses_a_negative_balance() {
    let service = Service::start().await;
    let user = service.user("john", 100).await;
    let pool = service.database.pool();
    for column in ["available", "held"] {
        let statement = format!("UPDATE accounts SET {column} = -0.01 WHERE user_id = {}", user.id);
        let outcome = sqlx::query(AssertSqlSafe(statement)).execute(&pool).await;
        assert!(outcome.is_err(), "{column} became negative");
    }
    service.assert_ledger_holds().await;
}

async fn audits(pool: &MySqlPool) -> Vec<i64> {
    sqlx::query_scalar("SELECT violations FROM ledger_audits ORDER BY id").fetch_all(pool).await.expect("the audits")
}

#[tokio::test]
async fn an_audit_is_made_when_it_is_due_by_one_instance_and_keeps_what_it_found() {
    let service = Service::start().await;
    let _ = service.user("one", 100).await;
    let pool = service.database.pool();
    let ledger = Ledger::new(pool.clone(), 1, Limits::default(), Tz::UTC);
    audit::run_once(&ledger, 3600).await.unwrap();
    sqlx::query("UPDATE accounts SET available = available + 1").execute(&pool).await.unwrap();
    audit::run_once(&ledger, 3600).await.unwrap();
    assert_eq!(audits(&pool).await, [0], "the next one is not due");

    sqlx::query("UPDATE ledger_audits SET audited_at = NOW(6) - INTERVAL 2 HOUR").execute(&pool).await.unwrap();
    let mut other = pool.acquire().await.unwrap();
    let lock = |verb: &str| {
        AssertSqlSafe(format!(
            "SELECT {verb}_LOCK(CONCAT('audit.', DATABASE()){})",
            if verb == "GET" { ", 0" } else { "" }
        ))
    };
    assert_eq!(sqlx::query_scalar::<_, i64>(lock("GET")).fetch_one(&mut *other).await.unwrap(), 1);
    audit::run_once(&ledger, 3600).await.unwrap();
    assert_eq!(audits(&pool).await, [0], "another instance is at it");

    assert_eq!(sqlx::query_scalar::<_, i64>(lock("RELEASE")).fetch_one(&mut *other).await.unwrap(), 1);
    audit::run_once(&ledger, 3600).await.unwrap();
    assert!(matches!(audits(&pool).await[..], [0, found] if found > 0), "what is broken is counted");
}
