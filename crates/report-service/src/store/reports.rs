//! Reports: one for each user and transaction.

use chrono::{DateTime, Utc};
use common::{Amount, Money, TransactionId, UserId, db};
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::MySqlConnection;

use crate::clients::Status;

/// A report as it was made.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Report {
    pub id: i64,
    pub user_id: UserId,
    pub transaction_id: TransactionId,
    pub created_at: DateTime<Utc>,
}

/// A report with its transaction as it stands now.
#[derive(Debug, Serialize, JsonSchema, sqlx::FromRow)]
pub struct ReportedTransaction {
    pub id: i64,
    pub transaction_id: TransactionId,
    #[schemars(with = "Money")]
    pub amount: Amount,
    pub status: Status,
    pub created_at: DateTime<Utc>,
}

/// Makes the report of `transaction` for `user`; true if it is new. Its transaction must have been taken over.
pub async fn insert(
    conn: &mut MySqlConnection,
    user: UserId,
    transaction: TransactionId,
    now: DateTime<Utc>,
) -> sqlx::Result<(Report, bool)> {
    let inserted = sqlx::query("INSERT INTO reports (user_id, transaction_id, created_at) VALUES (?, ?, ?)")
        .bind(user)
        .bind(transaction)
        .bind(now)
        .execute(&mut *conn)
        .await;
    let new = match inserted {
        Ok(_) => true,
        Err(error) if db::is_duplicate(&error) => false,
        Err(error) => return Err(error),
    };
    let report = sqlx::query_as(
        "SELECT id, user_id, transaction_id, created_at FROM reports WHERE user_id = ? AND transaction_id = ?",
    )
    .bind(user)
    .bind(transaction)
    .fetch_one(conn)
    .await?;
    Ok((report, new))
}

pub(super) const COUNT: &str = "SELECT COUNT(*) FROM reports WHERE user_id = ?";
pub(super) const PAGE: &str = "SELECT r.id, r.transaction_id, t.amount, t.status, r.created_at
     FROM reports r JOIN transactions t ON t.transaction_id = r.transaction_id
     WHERE r.user_id = ? ORDER BY r.id DESC LIMIT ? OFFSET ?";

/// How many reports `user` has.
pub async fn count(conn: &mut MySqlConnection, user: UserId) -> sqlx::Result<i64> {
    sqlx::query_scalar(COUNT).bind(user).fetch_one(conn).await
}

/// A page of the reports of `user`, newest first.
pub async fn page(
    conn: &mut MySqlConnection,
    user: UserId,
    limit: u32,
    offset: u64,
) -> sqlx::Result<Vec<ReportedTransaction>> {
    sqlx::query_as(PAGE).bind(user).bind(limit).bind(offset).fetch_all(conn).await
}
