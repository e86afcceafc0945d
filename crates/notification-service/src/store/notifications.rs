//! Notifications.

use chrono::{DateTime, Utc};
use common::{
    NotificationId, UserId,
    bulk::{BulkInsert, Value},
    monitoring::MOST_COUNTED,
    outbox::Event,
    scan::{Condition, Order, Scan, Stretch},
    trace::Trace,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{MySql, MySqlConnection, QueryBuilder};

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

/// What a list is narrowed to.
#[derive(Debug, Default, Clone)]
pub struct Filter {
    /// Only those of this user.
    pub user_id: Option<UserId>,
    pub status: Option<Status>,
    /// Created at this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Created before this moment.
    pub to: Option<DateTime<Utc>>,
}

/// At most `rows` notifications with an id below `cursor`, newest first.
pub async fn list(
    conn: &mut MySqlConnection,
    filter: &Filter,
    cursor: Option<i64>,
    rows: u32,
) -> sqlx::Result<Stretch<Notification>> {
    let (index, range): (_, Condition<'_>) = match filter.user_id {
        Some(user) => ("notifications_of_user", &move |query| {
            query.push("user_id = ").push_bind(user);
        }),
        None => ("PRIMARY", &|query| _ = query.push("TRUE")),
    };
    Scan {
        columns: "id, user_id, message, status, failure_reason, attempts, traceparent, created_at, updated_at",
        table: "notifications",
        index,
        range,
        filter: &|query| filter.push(query),
        order: Order::NewestFirst,
        id: |notification: &Notification| notification.id.get(),
    }
    .read(conn, cursor, rows)
    .await
}

impl Filter {
    /// Appends the condition of what a list shows.
    fn push(&self, query: &mut QueryBuilder<MySql>) {
        query.push("hidden_at IS NULL");
        if let Some(status) = self.status {
            query.push(" AND status = ").push_bind(status);
        }
        if let Some(from) = self.from {
            query.push(" AND created_at >= ").push_bind(from);
        }
        if let Some(to) = self.to {
            query.push(" AND created_at < ").push_bind(to);
        }
    }
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
