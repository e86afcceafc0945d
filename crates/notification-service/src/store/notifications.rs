//! Notifications, and the lease under which one is mailed.

use chrono::{DateTime, Utc};
use common::{
    NotificationId, UserId,
    bulk::{BulkInsert, Value},
    lease::Holder,
    outbox::Event,
};
use serde::{Deserialize, Serialize};
use sqlx::{MySqlConnection, QueryBuilder};

/// Seconds for which a notification belongs to whoever mails it; longer than `SMTP_TIMEOUT` can be.
const LEASE_SECONDS: u32 = 90;
/// The longest reason that is kept, in characters.
const MAX_REASON: usize = 255;

/// How far a notification has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::EnumString, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Status {
    /// To be mailed.
    Pending,
    /// Mailed.
    Sent,
    /// Given up, with a reason.
    Failed,
}

common::stored_as_text!(Status);

/// A notification as it stands.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub struct Notification {
    pub id: NotificationId,
    pub user_id: UserId,
    pub message: String,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
    #[serde(skip)]
    pub attempts: u32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// The notification of an event.
pub async fn find_event(conn: &mut MySqlConnection, event_id: &str) -> sqlx::Result<Notification> {
    let id: NotificationId = sqlx::query_scalar("SELECT id FROM notifications WHERE event_id = ?")
        .bind(event_id)
        .fetch_one(&mut *conn)
        .await?;
    find(conn, id).await?.ok_or(sqlx::Error::RowNotFound)
}

/// Stores one notification for each event; those that are there already stay as they are.
pub async fn insert_events(conn: &mut MySqlConnection, events: &[Event], now: DateTime<Utc>) -> sqlx::Result<()> {
    let mut insert = BulkInsert::new("INSERT INTO notifications (event_id, user_id, message, created_at, updated_at)");
    for event in events {
        let (event_id, message) = (Value::Text(&event.event_id), Value::Text(&event.message));
        insert.row(&[event_id, event.user_id.get().into(), message, now.into(), now.into()]);
    }
    // an event that comes again changes nothing; any other error still is one
    insert.execute_or(conn, " ON DUPLICATE KEY UPDATE event_id = VALUES(event_id)").await?;
    Ok(())
}

/// The notification `id`, unless it was deleted.
pub async fn find(conn: &mut MySqlConnection, id: NotificationId) -> sqlx::Result<Option<Notification>> {
    sqlx::query_as(
        "SELECT id, user_id, message, status, failure_reason, CAST(attempts AS UNSIGNED) AS attempts, created_at, updated_at
         FROM notifications WHERE id = ? AND hidden_at IS NULL",
    )
    .bind(id)
    .fetch_optional(conn)
    .await
}

/// At most `limit` notifications with an id below `cursor`, newest first; only those of `user` if that is given.
pub async fn list(
    conn: &mut MySqlConnection,
    user: Option<UserId>,
    cursor: Option<i64>,
    limit: u32,
) -> sqlx::Result<Vec<Notification>> {
    let mut query = QueryBuilder::new(
        "SELECT id, user_id, message, status, failure_reason, CAST(attempts AS UNSIGNED) AS attempts, created_at, updated_at
         FROM notifications WHERE hidden_at IS NULL AND id < ",
    );
    query.push_bind(cursor.unwrap_or(i64::MAX));
    if let Some(user) = user {
        query.push(" AND user_id = ").push_bind(user);
    }
    query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
    query.build_query_as().fetch_all(conn).await
}

/// Changes message and status; false if there is no such notification. One that becomes pending is mailed anew; a mail
/// that is under way meanwhile loses its claim, and with it the right to change the status.
pub async fn update(
    conn: &mut MySqlConnection,
    id: NotificationId,
    message: Option<&str>,
    status: Option<Status>,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let updated = sqlx::query(
        "UPDATE notifications
         SET message = COALESCE(?, message), claim = NULL, claimed_until = NULL,
             attempts = IF(? IS NULL, attempts, 0), next_attempt_at = IF(? IS NULL, next_attempt_at, NOW(6)),
             failure_reason = IF(? IS NULL, failure_reason, NULL), status = COALESCE(?, status), updated_at = ?
         WHERE id = ? AND hidden_at IS NULL",
    )
    .bind(message)
    .bind(status)
    .bind(status)
    .bind(status)
    .bind(status)
    .bind(now)
    .bind(id)
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Hides a notification, so that its event does not bring it back; false if there is none.
pub async fn hide(conn: &mut MySqlConnection, id: NotificationId, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let hidden = sqlx::query("UPDATE notifications SET hidden_at = ? WHERE id = ? AND hidden_at IS NULL")
        .bind(now)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(hidden.rows_affected() == 1)
}

/// Claims at most `limit` notifications that are due, oldest first, and counts the attempt.
pub async fn claim_due(conn: &mut MySqlConnection, holder: &Holder, limit: u32) -> sqlx::Result<Vec<Notification>> {
    let due: Vec<NotificationId> = sqlx::query_scalar(
        "SELECT id FROM notifications
         WHERE status = 'pending' AND next_attempt_at <= NOW(6) AND hidden_at IS NULL
           AND (claimed_until IS NULL OR claimed_until < NOW(6))
         ORDER BY next_attempt_at LIMIT ?",
    )
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    let mut claimed = Vec::new();
    for id in due {
        // looked at again under the row's lock: another worker, or a request to send, may have been faster
        let taken = sqlx::query(
            "UPDATE notifications
             SET claim = ?, claimed_until = NOW(6) + INTERVAL ? SECOND, attempts = attempts + 1
             WHERE id = ? AND status = 'pending' AND next_attempt_at <= NOW(6) AND hidden_at IS NULL
               AND (claimed_until IS NULL OR claimed_until < NOW(6))",
        )
        .bind(holder.as_str())
        .bind(LEASE_SECONDS)
        .bind(id)
        .execute(&mut *conn)
        .await?;
        if taken.rows_affected() == 1 {
            claimed.extend(find(conn, id).await?);
        }
    }
    Ok(claimed)
}

/// Claims one notification that is still in `status`; false while somebody else mails it, or if it changed.
pub async fn claim(
    conn: &mut MySqlConnection,
    id: NotificationId,
    status: Status,
    holder: &Holder,
) -> sqlx::Result<bool> {
    let taken = sqlx::query(
        "UPDATE notifications SET claim = ?, claimed_until = NOW(6) + INTERVAL ? SECOND
         WHERE id = ? AND status = ? AND hidden_at IS NULL AND (claimed_until IS NULL OR claimed_until < NOW(6))",
    )
    .bind(holder.as_str())
    .bind(LEASE_SECONDS)
    .bind(id)
    .bind(status)
    .execute(conn)
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// Ends a claim: mailed.
pub async fn sent(
    conn: &mut MySqlConnection,
    id: NotificationId,
    holder: &Holder,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    // the claim in the guard keeps a holder whose lease ran out from overwriting its successor's result
    sqlx::query(
        "UPDATE notifications
         SET status = 'sent', failure_reason = NULL, claim = NULL, claimed_until = NULL, updated_at = ?
         WHERE id = ? AND claim = ?",
    )
    .bind(now)
    .bind(id)
    .bind(holder.as_str())
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends a claim: to be tried again after `delay` seconds, also one that had been given up.
pub async fn try_later(
    conn: &mut MySqlConnection,
    id: NotificationId,
    holder: &Holder,
    delay: u32,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE notifications
         SET attempts = IF(status = 'failed', 0, attempts), status = 'pending', failure_reason = NULL,
             next_attempt_at = NOW(6) + INTERVAL ? SECOND, claim = NULL, claimed_until = NULL
         WHERE id = ? AND claim = ?",
    )
    .bind(delay)
    .bind(id)
    .bind(holder.as_str())
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends a claim: given up.
pub async fn failed(
    conn: &mut MySqlConnection,
    id: NotificationId,
    holder: &Holder,
    reason: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let reason: String = reason.chars().take(MAX_REASON).collect();
    sqlx::query(
        "UPDATE notifications
         SET status = 'failed', failure_reason = ?, claim = NULL, claimed_until = NULL, updated_at = ?
         WHERE id = ? AND claim = ?",
    )
    .bind(reason)
    .bind(now)
    .bind(id)
    .bind(holder.as_str())
    .execute(conn)
    .await?;
    Ok(())
}
