//! Notifications.

use mysql::row;
use std::collections::HashSet;

use chrono::{DateTime, Utc};
use common::{monitoring::MOST_COUNTED, trace::Trace};
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
use crate::domain::{
    fairness::{Fairness, LANES, Meter, Meters, Place},
    notices::Notice,
};

/// Why a notification waits that a restore has brought back.
const HELD_BACK: &str = "held back after a restore: it may have been mailed before";

/// Why a notification is not mailed that was deleted before.
const DELETED: &str = "deleted before it was mailed";

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

/// The notification that `notice` has become.
pub async fn find_notice(conn: &mut MySqlConnection, notice: &Notice) -> sqlx::Result<Notification> {
    let id: NotificationId = sqlx::query_scalar("SELECT id FROM notifications WHERE fact_id = ? AND user_id = ?")
        .bind(&notice.fact_id)
        .bind(notice.user_id)
        .fetch_one(&mut *conn)
        .await?;
    find(conn, id).await?.ok_or(sqlx::Error::RowNotFound)
}

/// Stores one notification for each notice; those that are there already stay as they are, and count for nothing.
///
/// Most notices are new. The first `attempt` takes them for new, and fails as raced where a unique key knows better; the
/// others look. Returns what is to be remembered once it is committed.
pub async fn insert_notices(
    conn: &mut MySqlConnection,
    notices: &[Notice],
    fairness: &Fairness,
    now: DateTime<Utc>,
    attempt: u32,
) -> Result<Meters, DbError> {
    let new: Vec<&Notice> = if attempt == 1 { notices.iter().collect() } else { unknown(conn, notices).await? };
    let (places, meters) = places(conn, &new, fairness).await?;
    let mut insert = BulkInsert::new(
        "INSERT INTO notifications
         (fact_id, user_id, message, status, failure_reason, traceparent, address, lane, next_attempt_at, created_at, updated_at)",
    );
    for (notice, place) in new.iter().zip(places) {
        insert.row(&[
            Value::Text(&notice.fact_id),
            notice.user_id.get().into(),
            Value::Text(&notice.message),
            Value::Text(if notice.held_back { Status::Failed } else { Status::Pending }.into()),
            notice.held_back.then_some(HELD_BACK).into(),
            notice.traceparent.as_deref().into(),
            notice.address.as_deref().into(),
            i64::try_from(place.lane).expect("there are few").into(),
            Value::InMicroseconds(u64::try_from(place.delay.as_micros()).unwrap_or(u64::MAX)),
            now.into(),
            now.into(),
        ]);
    }
    if attempt > 1 {
        // whoever hands the same facts over at this moment may be faster still
        insert = insert.on_duplicate(" ON DUPLICATE KEY UPDATE fact_id = VALUES(fact_id)");
    }
    insert.execute(conn).await.map_err(mysql::raced)?;
    Ok(meters)
}

/// Those of `notices` that have no notification, each once.
async fn unknown<'a>(conn: &mut MySqlConnection, notices: &'a [Notice]) -> sqlx::Result<Vec<&'a Notice>> {
    let mut query = QueryBuilder::new("SELECT fact_id, user_id FROM notifications WHERE fact_id IN ");
    mysql::push_list(&mut query, notices.iter().map(|notice| notice.fact_id.as_str()));
    let known: Vec<(String, UserId)> = query.build_query_as().fetch_all(conn).await?;
    let mut known: HashSet<(String, UserId)> = known.into_iter().collect();
    Ok(notices.iter().filter(|notice| known.insert((notice.fact_id.clone(), notice.user_id))).collect())
}

/// When each notice is mailed.
async fn places(
    conn: &mut MySqlConnection,
    notices: &[&Notice],
    fairness: &Fairness,
) -> sqlx::Result<(Vec<Place>, Meters)> {
    let Some(allowance) = fairness.allowance else {
        return Ok((vec![Place::default(); notices.len()], Meters::default()));
    };
    let users = notices.iter().filter_map(|notice| Some(Meter::of(notice)?.user())).collect();
    let mut meters = meters::lock(conn, &users).await?;
    meters.ahead.extend(fairness.mailboxes(notices));
    let places = notices.iter().map(|notice| allowance.place_of(notice, &mut meters)).collect();
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

/// Changes message and status; false if there is no such notification. One that becomes pending is mailed again; a mail
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

/// Makes some of those that `filter` finds pending again, and returns how many; 0 once there are none. What has no address any
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

/// Hides a notification, so that its fact does not bring it back; false if there is none. What warns of something is mailed
/// all the same; anything else is over, and no look for what is due comes across it again. If it is being mailed, what comes of
/// that is still written down.
pub async fn hide(conn: &mut MySqlConnection, id: NotificationId, now: DateTime<Utc>) -> sqlx::Result<bool> {
    // after an unknown commit the second run finds what the first one did
    let hidden = sqlx::query(
        "UPDATE notifications
         SET failure_reason = IF(status = 'pending' AND COALESCE(address, '') = '', ?, failure_reason),
             status = IF(status = 'pending' AND COALESCE(address, '') = '', 'failed', status), hidden_at = ?
         WHERE id = ? AND (hidden_at IS NULL OR hidden_at = ?)",
    )
    .bind(DELETED)
    .bind(now)
    .bind(id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(hidden.rows_affected() == 1)
}
