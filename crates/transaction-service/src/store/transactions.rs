//! Transactions by id, and those that are due.

use money::{BatchId, TransactionId};
use sqlx::{MySql, MySqlConnection, QueryBuilder};

use super::{SETTLE_AFTER_SECONDS, columns};
use crate::domain::{state::Status, transaction::Transaction};

pub(super) const THOSE: &str = concat!("SELECT ", columns!(), " FROM transactions WHERE id IN ");

/// Counts an attempt at the outstanding step of a transaction, and pushes the next one away: by the seconds that are bound, twice as many each
/// time, up to a minute.
macro_rules! count_attempt {
    () => {
        "UPDATE transactions
         SET due_at = NOW(6) + INTERVAL LEAST(? * POW(2, LEAST(settle_attempts, 5)), 60) SECOND,
             settle_attempts = settle_attempts + 1, version = version + 1
         WHERE id = ? AND status = 'processing'"
    };
}

/// The transaction `id`, hidden or not.
pub async fn find(conn: &mut MySqlConnection, id: TransactionId) -> sqlx::Result<Option<Transaction>> {
    sqlx::query_as(concat!("SELECT ", columns!(), " FROM transactions WHERE id = ?"))
        .bind(id)
        .fetch_optional(conn)
        .await
}

/// The transaction that the request `identity` made.
pub async fn find_request(conn: &mut MySqlConnection, identity: &str) -> sqlx::Result<Option<Transaction>> {
    sqlx::query_as(concat!("SELECT ", columns!(), " FROM transactions WHERE request = ?"))
        .bind(identity)
        .fetch_optional(conn)
        .await
}

/// Those of `ids` that exist, hidden or not.
pub async fn find_all(conn: &mut MySqlConnection, ids: &[TransactionId]) -> sqlx::Result<Vec<Transaction>> {
    with_ids(THOSE, ids).build_query_as().fetch_all(conn).await
}

pub(super) fn with_ids(head: &str, ids: &[TransactionId]) -> QueryBuilder<MySql> {
    let mut query = QueryBuilder::new(head);
    mysql::push_list(&mut query, ids.iter().copied());
    query
}

/// How many transactions are being processed, and for how many microseconds the oldest of them has been.
pub async fn unsettled(conn: &mut MySqlConnection) -> sqlx::Result<(i64, i64)> {
    sqlx::query_as(
        "SELECT COUNT(*), COALESCE(TIMESTAMPDIFF(MICROSECOND, MIN(updated_at), NOW(6)), 0)
         FROM transactions WHERE status = 'processing'",
    )
    .fetch_one(conn)
    .await
}

/// What the settler is to go on with.
#[derive(Debug, Default)]
pub struct Overdue {
    /// Transactions whose step is overdue, by id.
    pub steps: Vec<TransactionId>,
    /// Atomic batches whose outcome is.
    pub batches: Vec<BatchId>,
}

/// Atomic batches that are settled at a time.
const BATCHES_AT_ONCE: u32 = 4;

/// What is overdue, at most `limit` steps: those that have been so the longest.
pub async fn overdue(conn: &mut MySqlConnection, limit: u32) -> sqlx::Result<Overdue> {
    let rows: Vec<(Option<TransactionId>, Option<BatchId>)> = sqlx::query_as(
        "(SELECT id, NULL FROM transactions WHERE status = 'processing' AND due_at <= NOW(6) ORDER BY due_at LIMIT ?)
         UNION ALL (SELECT NULL, id FROM batches WHERE due_at <= NOW(6) ORDER BY due_at LIMIT ?)",
    )
    .bind(limit)
    .bind(BATCHES_AT_ONCE)
    .fetch_all(conn)
    .await?;
    let mut steps: Vec<TransactionId> = rows.iter().filter_map(|(transaction, _)| *transaction).collect();
    steps.sort_unstable();
    Ok(Overdue { steps, batches: rows.into_iter().filter_map(|(_, batch)| batch).collect() })
}

/// Claims those of the steps that are still `overdue`, and pushes their next turn away: twice as far each time, up to a
/// minute. No other settler gets them until then, and whoever has seen them before looks again.
pub async fn claim_overdue(conn: &mut MySqlConnection, overdue: &[TransactionId]) -> sqlx::Result<Vec<Transaction>> {
    let mut claimed = Vec::new();
    for &id in overdue {
        // the time is looked at again under the row's lock: another settler may have been faster
        let taken = sqlx::query(concat!(count_attempt!(), " AND due_at <= NOW(6)"))
            .bind(SETTLE_AFTER_SECONDS)
            .bind(id)
            .execute(&mut *conn)
            .await?;
        if taken.rows_affected() == 1 {
            claimed.extend(find(conn, id).await?);
        }
    }
    Ok(claimed)
}

/// Claims the outstanding step of a transaction that was last seen at this `version`, as a settler would, for who goes on with it before
/// its time; `None` if somebody has changed it since. From then on nobody takes the step for one that was never sent.
pub async fn claim(conn: &mut MySqlConnection, id: TransactionId, version: i32) -> sqlx::Result<Option<Transaction>> {
    let taken = sqlx::query(concat!(count_attempt!(), " AND version = ?"))
        .bind(SETTLE_AFTER_SECONDS)
        .bind(id)
        .bind(version)
        .execute(&mut *conn)
        .await?;
    if taken.rows_affected() == 1 { find(conn, id).await } else { Ok(None) }
}

/// Gives a claimed step back for the next second: user-service was not reached, so nothing was tried.
pub async fn postpone(conn: &mut MySqlConnection, id: TransactionId) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE transactions SET due_at = NOW(6) + INTERVAL 1 SECOND, settle_attempts = 1, version = version + 1
         WHERE id = ? AND status = 'processing'",
    )
    .bind(id)
    .execute(conn)
    .await?;
    Ok(())
}

/// Pending transactions whose time is over, at most `limit`.
pub async fn expired(conn: &mut MySqlConnection, limit: u32) -> sqlx::Result<Vec<Transaction>> {
    due(conn, Status::Pending, limit).await
}

/// Scheduled transactions whose time has come, at most `limit`.
pub async fn scheduled(conn: &mut MySqlConnection, limit: u32) -> sqlx::Result<Vec<Transaction>> {
    due(conn, Status::Scheduled, limit).await
}

async fn due(conn: &mut MySqlConnection, status: Status, limit: u32) -> sqlx::Result<Vec<Transaction>> {
    sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM transactions WHERE status = ? AND due_at <= NOW(6) ORDER BY due_at LIMIT ?"
    ))
    .bind(status)
    .bind(limit)
    .fetch_all(conn)
    .await
}
