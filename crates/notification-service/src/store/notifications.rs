//! Notifications.

use chrono::{DateTime, Utc};
use common::{
    NotificationId, UserId,
    bulk::{BulkInsert, Value},
    monitoring::MOST_COUNTED,
    outbox::Event,
    trace::Trace,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{MySqlConnection, QueryBuilder};

/// How far a notification has come.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::EnumString, strum::IntoStaticStr,
)]
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
#[derive(Debug, Clone, Serialize, JsonSchema, sqlx::FromRow)]
#[schemars(example = json!({
    "id": 1,
    "user_id": 1,
    "message": "Top-up Rp 100,000 successful.",
    "status": "pending",
    "created_at": "2025-11-12T10:30:00.000000Z",
    "updated_at": "2025-11-12T10:30:00.000000Z",
}))]
pub struct Notification {
    pub id: NotificationId,
    pub user_id: UserId,
    pub message: String,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
    #[serde(skip)]
    pub attempts: u32,
    #[serde(skip)]
    pub traceparent: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Notification {
    /// The place in a trace from which mailing it goes on.
    pub fn trace(&self) -> Trace {
        Trace::from_text(self.traceparent.as_deref())
    }
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
    let mut insert =
        BulkInsert::new("INSERT INTO notifications (event_id, user_id, message, traceparent, created_at, updated_at)");
    for event in events {
        let (event_id, message) = (Value::Text(&event.event_id), Value::Text(&event.message));
        let traceparent = event.traceparent.as_deref().into();
        insert.row(&[event_id, event.user_id.get().into(), message, traceparent, now.into(), now.into()]);
    }
    // an event that comes again changes nothing; any other error still is one
    insert.on_duplicate(" ON DUPLICATE KEY UPDATE event_id = VALUES(event_id)").execute(conn).await
}

/// How many notifications are pending, of those to be mailed first, and for how many microseconds the oldest of them has
/// been so.
pub async fn pending(conn: &mut MySqlConnection) -> sqlx::Result<(i64, i64)> {
    sqlx::query_as(
        "SELECT COUNT(*), COALESCE(TIMESTAMPDIFF(MICROSECOND, MIN(created_at), NOW(6)), 0)
         FROM (SELECT created_at FROM notifications WHERE status = 'pending' AND hidden_at IS NULL
               ORDER BY next_attempt_at LIMIT ?) counted",
    )
    .bind(MOST_COUNTED)
    .fetch_one(conn)
    .await
}

/// The notification `id`, unless it was deleted.
pub async fn find(conn: &mut MySqlConnection, id: NotificationId) -> sqlx::Result<Option<Notification>> {
    sqlx::query_as(
        "SELECT id, user_id, message, status, failure_reason, attempts, traceparent, created_at, updated_at
         FROM notifications WHERE id = ? AND hidden_at IS NULL",
    )
    .bind(id)
    .fetch_optional(conn)
    .await
}

/// At most `limit` notifications with an id below `cursor`, newest first; only those of `user` and `since` then if they are
/// given.
pub async fn list(
    conn: &mut MySqlConnection,
    user: Option<UserId>,
    since: Option<DateTime<Utc>>,
    cursor: Option<i64>,
    limit: u32,
) -> sqlx::Result<Vec<Notification>> {
    let mut query = QueryBuilder::new(
        "SELECT id, user_id, message, status, failure_reason, attempts, traceparent, created_at, updated_at
         FROM notifications WHERE hidden_at IS NULL AND id < ",
    );
    query.push_bind(cursor.unwrap_or(i64::MAX));
    if let Some(user) = user {
        query.push(" AND user_id = ").push_bind(user);
    }
    if let Some(since) = since {
        query.push(" AND created_at >= ").push_bind(since);
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
    // after an unknown commit the second run finds what the first one did
    let hidden =
        sqlx::query("UPDATE notifications SET hidden_at = ? WHERE id = ? AND (hidden_at IS NULL OR hidden_at = ?)")
            .bind(now)
            .bind(id)
            .bind(now)
            .execute(conn)
            .await?;
    Ok(hidden.rows_affected() == 1)
}
