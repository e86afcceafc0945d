//! What there is to see when a day has ended, in words that do not depend on numbers and times.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use lab::wallet::Service;
use serde_json::{Value, json};
use sqlx::MySqlPool;
use tokio::time::sleep;

use super::day::{Day, NOBODY};

/// How long it may take until the newest entries are taken over: an operation that was rolled back is waited for.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(10);
/// The pause before they are asked for again.
const PAUSE: Duration = Duration::from_millis(100);

/// All that the people of a day can see of it, line by line.
pub type Picture = BTreeSet<String>;

/// Looks at everything. Fails with what must never be seen.
pub async fn take(day: &Day) -> Result<Picture> {
    let mut picture = Picture::new();
    let proof = day.look(Service::User, "/internal/ledger/verify").await?;
    ensure!(proof["ok"] == true, "the ledger is broken: {}", proof.text);
    for (who, id) in day.people() {
        let user = day.look(Service::User, &format!("/users/{id}")).await?;
        picture.insert(format!("{who} is {} {} {} {}", user.status, user["full_name"], user["balance"], user["held"]));
        let summary = day.look(Service::Report, &format!("/summaries/user/{id}")).await?;
        let (spent, received) = (&summary["total_spent"], &summary["total_received"]);
        // a closed account has no summary; a payment that was certainly not begun is in none
        let count = summary["total_transactions"].as_i64();
        picture.insert(format!("{who}: {} {count:?} transactions, {spent} spent, {received} received", summary.status));
        entries_agree(day, id, &user["balance"]).await?;
        let reports = day.look(Service::Report, &format!("/reports/user/{id}")).await?;
        picture.insert(format!("{who} has {} reports", reports["total"]));
    }
    for (what, id) in day.transactions() {
        let shown = day.look(Service::Transaction, &format!("/transactions/{id}")).await?;
        let query = "SELECT status, failure, status_reason FROM transactions WHERE id = ?";
        let row: (String, Option<String>, Option<String>) =
            sqlx::query_as(query).bind(id).fetch_one(&day.pools[1]).await?;
        let (captured, refunded) = (&shown["captured_amount"], &shown["refunded_amount"]);
        picture.insert(format!(
            "{what} is {} {} {:?} {:?}, {captured} captured, {refunded} refunded",
            shown.status, row.0, row.1, row.2
        ));
    }
    let count = transactions_between(day).await?;
    ensure!(count == day.transactions().len(), "{count} transactions were made, not {}", day.transactions().len());
    let visible = unsent_and_visible(day).await?;
    ensure!(visible == 0, "{visible} payments that were not begun can be seen");
    for line in notifications(day).await? {
        ensure!(picture.insert(line.clone()), "told twice: {line}");
    }
    Ok(picture)
}

/// Fails unless the entries of `user` add up to its `balance`, once all that was committed by now is taken over.
async fn entries_agree(day: &Day, user: i64, balance: &Value) -> Result<()> {
    let now: String =
        sqlx::query_scalar("SELECT DATE_FORMAT(NOW(6), '%Y-%m-%dT%H:%i:%s.%fZ')").fetch_one(&day.pools[0]).await?;
    let began = Instant::now();
    let entries = loop {
        let entries = day.look(Service::Report, &format!("/entries/user/{user}")).await?;
        if entries.header("x-data-as-of") > now.as_str() {
            break entries;
        }
        ensure!(began.elapsed() < TAKEN_OVER_WITHIN, "the entries of {user} are old: {}", entries.text);
        sleep(PAUSE).await;
    };
    let newest = entries.json.get(0).map_or(&Value::Null, |entry| &entry["balance_after"]);
    // nobody shows the balance of a closed account, which is nothing
    let nothing = json!(0);
    let or_nothing = |value: &Value| if value.is_null() { nothing.clone() } else { value.clone() };
    let (newest, balance) = (or_nothing(newest), or_nothing(balance));
    ensure!(newest == balance, "user {user} has {balance}, and its newest entry says {newest}");
    let adds_up: bool = sqlx::query_scalar(
        "SELECT COALESCE(SUM(e.amount), 0) = COALESCE(MAX(a.balance), 0)
         FROM entry_feeds f JOIN entry_accounts a ON a.generation = f.generation
         JOIN entries e ON e.generation = a.generation AND e.user_id = a.user_id
         WHERE f.feed = 'entries' AND a.user_id = ?",
    )
    .bind(user)
    .fetch_one(&day.pools[3])
    .await?;
    ensure!(adds_up, "the entries of {user} do not add up: {}", entries.text);
    Ok(())
}

async fn transactions_between(day: &Day) -> Result<usize> {
    let (_, ani) = day.people()[0];
    let count: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM transactions WHERE sender_id >= ? AND request NOT LIKE 'unsent %'")
            .bind(ani)
            .fetch_one(&day.pools[1])
            .await?;
    Ok(usize::try_from(count)?)
}

/// Payments of the day that were certainly not begun, and are not hidden.
async fn unsent_and_visible(day: &Day) -> Result<i64> {
    let (_, ani) = day.people()[0];
    let query = sqlx::query_scalar(
        "SELECT COUNT(*) FROM transactions WHERE sender_id >= ? AND request LIKE 'unsent %' AND hidden_at IS NULL",
    );
    Ok(query.bind(ani).fetch_one(&day.pools[1]).await?)
}

/// What each was told, and what became of it.
async fn notifications(day: &Day) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    let people = day.people().into_iter().chain([("nobody", NOBODY)]);
    for (who, id) in people {
        let told: Vec<(String, String, Option<String>, bool, String)> = sqlx::query_as(
            "SELECT message, status, failure_reason, hidden_at IS NOT NULL, fact_id FROM notifications
             WHERE user_id = ? AND id > ? ORDER BY id",
        )
        .bind(id)
        .bind(day.first_notification)
        .fetch_all(&day.pools[2])
        .await?;
        for (message, status, reason, hidden, _) in told {
            lines.push(format!("{who} was told {message:?}: {status} {reason:?} hidden: {hidden}"));
        }
    }
    Ok(lines)
}

/// True once nothing is left to do.
pub async fn is_quiet(day: &Day) -> Result<bool> {
    let left = [
        // without the fact that is refused
        (&day.pools[0], "SELECT COUNT(*) FROM outbox WHERE fact <> '{}'"),
        (&day.pools[1], "SELECT COUNT(*) FROM outbox WHERE fact <> '{}'"),
        (&day.pools[1], "SELECT COUNT(*) FROM transactions WHERE status = 'processing'"),
        (&day.pools[1], "SELECT COUNT(*) FROM schedules WHERE due_at <= NOW(6)"),
        (
            &day.pools[2],
            "SELECT COUNT(*) FROM notifications WHERE (status = 'pending' OR claimed_until > NOW(6)) AND hidden_at IS NULL",
        ),
    ];
    for (pool, query) in left {
        if count(pool, query).await? > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn count(pool: &MySqlPool, query: &'static str) -> Result<i64> {
    sqlx::query_scalar(query).fetch_one(pool).await.context("the database is there")
}

/// The lines that only one of two pictures has.
pub fn difference(expected: &Picture, found: &Picture) -> Vec<String> {
    let missing = expected.difference(found).map(|line| format!("missing: {line}"));
    missing.chain(found.difference(expected).map(|line| format!("instead: {line}"))).collect()
}
