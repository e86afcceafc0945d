//! Notifications.

use mysql::row;
use std::collections::HashSet;

use chrono::{DateTime, Utc};
use common::{monitoring::MOST_COUNTED, outbox::Event, trace::Trace};
use money::{NotificationId, UserId, time::Period};
use mysql::{
    DbError,
    bulk::{BulkInsert, Value},
    scan::{Condition, Order, Scan, Stretch, push_created_within},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{MySql, MySqlConnection, QueryBuilder};

use super::meters;
use crate::domain::fairness::{Fairness, LANES, Meter, Meters, Place};

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

mysql::stored_as_text!(Status);

row! {
    /// A notification as it stands.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
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
        /// Why it could not be mailed, for now or for good.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub failure_reason: Option<String>,
        #[serde(skip)]
        pub attempts: u32,
        #[serde(skip)]
        pub traceparent: Option<String>,
        /// Where it goes if not to the account's address; empty once that is over.
        #[serde(skip)]
        pub address: Option<String>,
        pub created_at: DateTime<Utc>,
        pub updated_at: DateTime<Utc>,
    }
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

/// Stores one notification for each event; those that are there already stay as they are, and count for nothing.
///
/// Most events are new. The first `attempt` takes them for new, and fails as raced where a unique key knows better; the
/// others look. Returns what is to be remembered once it is committed.
pub async fn insert_events(
    conn: &mut MySqlConnection,
    events: &[Event],
    fairness: &Fairness,
    now: DateTime<Utc>,
    attempt: u32,
) -> Result<Meters, DbError> {
    let new: Vec<&Event> = if attempt == 1 { events.iter().collect() } else { unknown(conn, events).await? };
    let (places, meters) = places(conn, &new, fairness).await?;
    let mut insert = BulkInsert::new(
        "INSERT INTO notifications
         (event_id, user_id, message, traceparent, address, lane, next_attempt_at, created_at, updated_at)",
    );
    for (event, place) in new.iter().zip(places) {
        insert.row(&[
            Value::Text(&event.event_id),
            event.user_id.get().into(),
            Value::Text(&event.message),
            event.traceparent.as_deref().into(),
            event.address.as_deref().into(),
            i64::try_from(place.lane).expect("there are few").into(),
            Value::InMicroseconds(u64::try_from(place.delay.as_micros()).unwrap_or(u64::MAX)),
            now.into(),
            now.into(),
        ]);
    }
    if attempt > 1 {
        // whoever hands the same events over at this moment may be faster still
        insert = insert.on_duplicate(" ON DUPLICATE KEY UPDATE event_id = VALUES(event_id)");
    }
    insert.execute(conn).await.map_err(mysql::raced)?;
    Ok(meters)
}

/// Those of `events` that have no notification, each once.
async fn unknown<'a>(conn: &mut MySqlConnection, events: &'a [Event]) -> sqlx::Result<Vec<&'a Event>> {
    let mut query = QueryBuilder::new("SELECT event_id FROM notifications WHERE event_id IN ");
    mysql::push_list(&mut query, events.iter().map(|event| event.event_id.as_str()));
    let known: Vec<String> = query.build_query_scalar().fetch_all(conn).await?;
    let mut known: HashSet<String> = known.into_iter().collect();
    Ok(events.iter().filter(|event| known.insert(event.event_id.clone())).collect())
}

/// When the turn of each event is.
async fn places(
    conn: &mut MySqlConnection,
    events: &[&Event],
    fairness: &Fairness,
) -> sqlx::Result<(Vec<Place>, Meters)> {
    let Some(allowance) = fairness.allowance else {
        return Ok((vec![Place::default(); events.len()], Meters::default()));
    };
    let users = events.iter().filter_map(|event| Some(Meter::of(event)?.user())).collect();
    let mut meters = meters::lock(conn, &users).await?;
    meters.ahead.extend(fairness.mailboxes(events));
    let places = events.iter().map(|event| allowance.place_of(event, &mut meters)).collect();
    meters::store(conn, &meters, allowance).await?;
    Ok((places, meters))
}

/// How many notifications are pending, and for how many microseconds the oldest of them has been so; what may have been
/// delayed on purpose counts from when it is due.
pub async fn pending(conn: &mut MySqlConnection) -> sqlx::Result<(i64, i64)> {
    sqlx::query_as(
        "SELECT COUNT(*), GREATEST(COALESCE(TIMESTAMPDIFF(MICROSECOND, MIN(since), NOW(6)), 0), 0)
         FROM (SELECT IF(lane < ?, created_at, next_attempt_at) AS since FROM notifications
               WHERE status = 'pending' AND (hidden_at IS NULL OR address <> '') ORDER BY next_attempt_at LIMIT ?) counted",
    )
    .bind(i64::try_from(LANES - 1).expect("there are few"))
    .bind(MOST_COUNTED)
    .fetch_one(conn)
    .await
}

/// The notification `id`, unless it was deleted.
pub async fn find(conn: &mut MySqlConnection, id: NotificationId) -> sqlx::Result<Option<Notification>> {
    sqlx::query_as(
        "SELECT id, user_id, message, status, failure_reason, attempts, traceparent, address, created_at, updated_at
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
    /// Created within this.
    pub period: Period,
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
        columns: "id, user_id, message, status, failure_reason, attempts, traceparent, address, created_at, updated_at",
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
        push_created_within(query, self.period);
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
             failure_reason = IF(? IS NULL, failure_reason, NULL), status = COALESCE(?, status), updated_at = ?,
             address = IF(address IS NULL OR status = 'pending', address, '')
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

/// Rows that [`resend_some`] changes at most.
const MOST_RESENT: u32 = 1_000;

/// Makes some of those that `filter` finds pending anew, and returns how many; 0 once there are none. What has no address any
/// more is left.
pub async fn resend_some(conn: &mut MySqlConnection, filter: &Filter, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let mut query = QueryBuilder::new(
        "UPDATE notifications FORCE INDEX (notifications_by_lane)
         SET status = 'pending', attempts = 0, next_attempt_at = NOW(6), failure_reason = NULL, claim = NULL,
             claimed_until = NULL, updated_at = ",
    );
    query.push_bind(now).push(" WHERE (address IS NULL OR address <> '') AND ");
    filter.push(&mut query);
    if let Some(user) = filter.user_id {
        query.push(" AND user_id = ").push_bind(user);
    }
    query.push(" LIMIT ").push_bind(MOST_RESENT);
    Ok(query.build().execute(conn).await?.rows_affected())
}

/// Hides a notification, so that its event does not bring it back; false if there is none. What warns of something is mailed
/// all the same.
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
