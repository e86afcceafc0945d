//! One transaction: its intent, its decision, its outcome. Guards in the WHERE clauses close the races.

use chrono::{DateTime, Utc};
use common::{TransactionId, db};
use sqlx::MySqlConnection;

use super::columns;
use crate::transfer::{Decision, Failure, NewTransaction, Request, Status, Transaction, Verb};

/// Seconds after which the settler takes over a step whose outcome was not stored.
pub const SETTLE_AFTER_SECONDS: u32 = 3;

/// What became of an insertion.
pub enum Inserted {
    /// The intent is new.
    New(Transaction),
    /// The request's key is known; this is what it created, and from what.
    Before { fingerprint: Vec<u8>, row: Transaction },
}

/// Writes the intent to carry out `new`: a `processing` transaction whose first verb is outstanding.
pub async fn insert(
    conn: &mut MySqlConnection,
    new: &NewTransaction,
    request: &Request,
    pending_ttl: u32,
    now: DateTime<Utc>,
) -> sqlx::Result<Inserted> {
    let written = sqlx::query(
        "INSERT INTO transactions
             (sender_id, receiver_id, amount, description, status, step, expires_at, settle_after,
              request_scope, request_key, fingerprint, created_at, updated_at)
         VALUES (?, ?, ?, ?, 'processing', ?, NOW(6) + INTERVAL ? SECOND, NOW(6) + INTERVAL ? SECOND, ?, ?, ?, ?, ?)",
    )
    .bind(new.sender_id)
    .bind(new.receiver_id)
    .bind(new.amount)
    .bind(&new.description)
    .bind(if new.auto_complete { Verb::Transfer } else { Verb::Hold })
    .bind(pending_ttl)
    .bind(SETTLE_AFTER_SECONDS)
    .bind(&request.scope)
    .bind(&request.key)
    .bind(&request.fingerprint)
    .bind(now)
    .bind(now)
    .execute(&mut *conn)
    .await;
    match written {
        // a second request with the key waits at the unique key for the first one's commit, then finds its row
        Err(error) if db::is_duplicate(&error) => {
            let (id, fingerprint): (TransactionId, Vec<u8>) =
                sqlx::query_as("SELECT id, fingerprint FROM transactions WHERE request_scope = ? AND request_key = ?")
                    .bind(&request.scope)
                    .bind(&request.key)
                    .fetch_one(&mut *conn)
                    .await?;
            let row = find(conn, id).await?.ok_or(sqlx::Error::RowNotFound)?;
            Ok(Inserted::Before { fingerprint, row })
        }
        written => {
            let id = i64::try_from(written?.last_insert_id()).expect("ids fit BIGINT");
            let id = TransactionId::try_from(id).expect("generated ids are positive");
            Ok(Inserted::New(find(conn, id).await?.ok_or(sqlx::Error::RowNotFound)?))
        }
    }
}

/// The transaction `id`, hidden or not.
pub async fn find(conn: &mut MySqlConnection, id: TransactionId) -> sqlx::Result<Option<Transaction>> {
    sqlx::query_as(concat!("SELECT ", columns!(), " FROM transactions WHERE id = ?"))
        .bind(id)
        .fetch_optional(conn)
        .await
}

/// Commits to a decision about a pending transaction; false if it is not pending.
pub async fn decide(
    conn: &mut MySqlConnection,
    id: TransactionId,
    decision: Decision,
    description: Option<&str>,
    hide: bool,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    // only from pending: zero rows means that another decision won
    let decided = sqlx::query(
        "UPDATE transactions
         SET status = 'processing', step = ?, target = ?, description = COALESCE(?, description),
             hidden_at = IF(?, ?, hidden_at), settle_after = NOW(6) + INTERVAL ? SECOND, settle_attempts = 0,
             version = version + 1, updated_at = ?
         WHERE id = ? AND status = 'pending' AND hidden_at IS NULL",
    )
    .bind(decision.verb())
    .bind(decision.target())
    .bind(description)
    .bind(hide)
    .bind(now)
    .bind(SETTLE_AFTER_SECONDS)
    .bind(now)
    .bind(id)
    .execute(conn)
    .await?;
    Ok(decided.rows_affected() == 1)
}

/// Commits the outcome of `step`; false if it was stored before.
pub async fn apply(
    conn: &mut MySqlConnection,
    id: TransactionId,
    step: Option<Verb>,
    next: &crate::transfer::Next,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    // a step ends once: zero rows means that somebody else asked for it too and was first to store the answer
    let applied = sqlx::query(
        "UPDATE transactions
         SET status = ?, step = ?, target = ?, failure = ?, accepted_at = IF(?, ?, accepted_at),
             settle_after = IF(? IS NULL, NULL, NOW(6) + INTERVAL ? SECOND), settle_attempts = 0,
             version = version + 1, updated_at = ?
         WHERE id = ? AND status = 'processing' AND step = ?",
    )
    .bind(next.status)
    .bind(next.step)
    .bind(next.target)
    .bind(next.failure)
    .bind(next.accepted)
    .bind(now)
    .bind(next.step)
    .bind(SETTLE_AFTER_SECONDS)
    .bind(now)
    .bind(id)
    .bind(step)
    .execute(conn)
    .await?;
    Ok(applied.rows_affected() == 1)
}

/// Fails a new transaction whose verb was certainly never sent, and frees its key; false if the settler was there.
pub async fn fail_unsent(conn: &mut MySqlConnection, row: &Transaction, now: DateTime<Utc>) -> sqlx::Result<bool> {
    // the settler counts its attempts before it sends: none so far, and still the same verb, means that nobody else
    // has sent it
    let failed = sqlx::query(
        "UPDATE transactions
         SET status = 'failed', step = NULL, failure = ?, settle_after = NULL,
             request_scope = ?, request_key = ?, version = version + 1, updated_at = ?
         WHERE id = ? AND status = 'processing' AND step = ? AND settle_attempts = 0",
    )
    .bind(Failure::NotReached)
    .bind(Request::ONCE)
    .bind(format!("unsent:{}", row.id))
    .bind(now)
    .bind(row.id)
    .bind(row.step)
    .execute(conn)
    .await?;
    Ok(failed.rows_affected() == 1)
}

/// Changes the description of a pending transaction; false if it is not pending.
pub async fn describe(
    conn: &mut MySqlConnection,
    id: TransactionId,
    description: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let described = sqlx::query(
        "UPDATE transactions SET description = ?, version = version + 1, updated_at = ?
         WHERE id = ? AND status = 'pending' AND hidden_at IS NULL",
    )
    .bind(description)
    .bind(now)
    .bind(id)
    .execute(conn)
    .await?;
    Ok(described.rows_affected() == 1)
}

/// Hides a settled transaction; false if it is not settled.
pub async fn hide(conn: &mut MySqlConnection, id: TransactionId, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let hidden = sqlx::query(
        "UPDATE transactions SET hidden_at = ?, version = version + 1, updated_at = ?
         WHERE id = ? AND status NOT IN (?, ?) AND hidden_at IS NULL",
    )
    .bind(now)
    .bind(now)
    .bind(id)
    .bind(Status::Processing)
    .bind(Status::Pending)
    .execute(conn)
    .await?;
    Ok(hidden.rows_affected() == 1)
}

/// Claims steps that are overdue, at most `limit`, and pushes their next turn away: twice as far each time, up to a
/// minute. No other settler gets them until then.
pub async fn claim_overdue(conn: &mut MySqlConnection, limit: u32) -> sqlx::Result<Vec<Transaction>> {
    let overdue: Vec<TransactionId> =
        sqlx::query_scalar("SELECT id FROM transactions WHERE settle_after <= NOW(6) ORDER BY settle_after LIMIT ?")
            .bind(limit)
            .fetch_all(&mut *conn)
            .await?;
    let mut claimed = Vec::new();
    for id in overdue {
        // the time is looked at again under the row's lock: another settler may have been faster
        let taken = sqlx::query(
            "UPDATE transactions
             SET settle_after = NOW(6) + INTERVAL LEAST(? * POW(2, LEAST(settle_attempts, 5)), 60) SECOND,
                 settle_attempts = settle_attempts + 1
             WHERE id = ? AND settle_after <= NOW(6)",
        )
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

/// Gives claimed steps back for the next second: user-service was not reached, so nothing was tried.
pub async fn postpone(conn: &mut MySqlConnection, ids: &[TransactionId]) -> sqlx::Result<()> {
    for id in ids {
        sqlx::query(
            "UPDATE transactions SET settle_after = NOW(6) + INTERVAL 1 SECOND, settle_attempts = 1
             WHERE id = ? AND settle_after IS NOT NULL",
        )
        .bind(id)
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// Pending transactions whose time is over, at most `limit`.
pub async fn expired(conn: &mut MySqlConnection, limit: u32) -> sqlx::Result<Vec<TransactionId>> {
    sqlx::query_scalar(
        "SELECT id FROM transactions WHERE status = 'pending' AND expires_at <= NOW(6) ORDER BY expires_at LIMIT ?",
    )
    .bind(limit)
    .fetch_all(conn)
    .await
}
