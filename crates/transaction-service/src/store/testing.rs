//! What tests need: a table with many transactions, and the outbox.

use chrono::{DateTime, Utc};
use common::fact::{Fact, TransactionState};
use lab::database::{TestDatabase, database};
use money::TransactionId;
use mysql::bulk::BulkInsert;
use sqlx::MySqlConnection;

/// Enough for a whole scan to be dearer than an index.
pub const TRANSACTIONS: i64 = 20_000;
pub const USERS: i64 = 40;
/// One in so many has failed.
pub const FAILED_EACH: i64 = 100;

/// A database of transactions among the users, completed or failed, each changed a second after the one before.
pub async fn filled_database() -> TestDatabase {
    let database = database().await;
    let pool = mysql::pool(&mysql::DatabaseConfig::at(&database.url(), 8).unwrap());
    mysql::migrate(&pool, crate::store::migrations::migrations()).await.unwrap();
    fill(&mut pool.acquire().await.unwrap()).await;
    database
}

/// What the outbox says of a transaction: the names of the facts, and how they found it, oldest first.
pub async fn facts(conn: &mut MySqlConnection, id: TransactionId) -> Vec<(String, TransactionState)> {
    let prefix = format!("transaction:{id}:");
    let texts: Vec<String> = sqlx::query_scalar("SELECT fact FROM outbox WHERE fact LIKE ? ORDER BY id")
        .bind(format!("%{prefix}%"))
        .fetch_all(conn)
        .await
        .unwrap();
    let fact = |text: String| {
        let fact: Fact = serde_json::from_str(&text).unwrap();
        (fact.id.strip_prefix(&prefix).unwrap().to_owned(), serde_json::from_str(fact.data.get()).unwrap())
    };
    texts.into_iter().map(fact).collect()
}

/// When a transaction was made and changed.
pub fn time(id: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_762_000_000 + id, 0).unwrap()
}

async fn fill(conn: &mut MySqlConnection) {
    for first in (1..=TRANSACTIONS).step_by(1_000) {
        let mut insert = BulkInsert::new(
            "INSERT INTO transactions (sender_id, receiver_id, amount, description, status, request, fingerprint, actor,
                 accepted_at, created_at, updated_at, changed_at)",
        );
        for id in first..first + 1_000 {
            let status = if id % FAILED_EACH == 0 { "failed" } else { "completed" };
            let (request, at) = (format!("test:{id}"), time(id).into());
            insert.row(&[
                (id % USERS + 1).into(),
                (id % USERS + 2).into(),
                1.into(),
                "Payment".into(),
                status.into(),
                request.as_str().into(),
                "0".repeat(32).as_str().into(),
                "service".into(),
                at,
                at,
                at,
                at,
            ]);
        }
        insert.execute(conn).await.unwrap();
    }
    sqlx::raw_sql("ANALYZE TABLE transactions").execute(conn).await.unwrap();
}
