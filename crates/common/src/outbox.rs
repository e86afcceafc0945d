//! The transactional outbox: whatever a user must be told is a row in the same database transaction as the fact.
//!
//! A relay hands the rows to notification-service, at least once and oldest first; its `event_id` lets
//! notification-service keep one row for each. An outage there delays the telling and nothing else.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use fault::point;
use money::UserId;
use mysql::{
    DbError,
    bulk::{BulkInsert, Value},
    lease::{self, Holder},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{MySqlPool, QueryBuilder};

use crate::{
    client::{CallError, ServiceClient},
    monitoring::{MOST_COUNTED, number, seconds, show},
    request,
    trace::Trace,
    worker::{Pace, Rest, Step},
};

/// Events that one call hands over.
pub const MAX_EVENTS: usize = 1000;
/// The relay looks for events four times a second, and leaves four fifths of the time to those who move money, if there
/// are any.
pub const RELAY_PACE: Pace = Pace { idle: Duration::from_millis(250), rest: Rest::WhileServing(4) };
/// The longest pause between attempts while notification-service is away.
const MAX_BACKOFF: Duration = Duration::from_secs(4);
/// Seconds for which one instance is the relay, and for which its successor waits after a crash. A call that takes longer
/// may be made by two instances: each event is stored once all the same.
const LEASE_SECONDS: u32 = 2;
/// Where notification-service takes events.
pub const EVENTS_PATH: &str = "/internal/notifications";

/// Something that a user must be told.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Unique for each fact and each user who is told of it.
    pub event_id: String,
    /// Who is told.
    pub user_id: UserId,
    /// What they read.
    pub message: String,
    /// The place in a trace from which telling them goes on, as W3C's `traceparent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The user whose action caused it: what one user causes in a minute is bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<UserId>,
    /// Where they are told, if that must not depend on the account as it is by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

impl Event {
    /// An event that nobody in particular caused, told outside any trace.
    pub fn new(event_id: String, user_id: UserId, message: String) -> Self {
        Self { event_id, user_id, message, traceparent: None, actor: None, address: None }
    }

    /// The same event, caused by `actor`.
    #[must_use]
    pub fn by(self, actor: UserId) -> Self {
        Self { actor: Some(actor), ..self }
    }

    /// The same event, told at `address` whatever becomes of the account.
    #[must_use]
    pub fn at(self, address: String) -> Self {
        Self { address: Some(address), ..self }
    }

    /// The same event, told within `trace`.
    #[must_use]
    pub fn within(self, trace: &Trace) -> Self {
        Self { traceparent: trace.to_text(), ..self }
    }
}

request! {
    /// The body of one hand-over.
    #[derive(Debug, Serialize)]
    #[schemars(example = json!({"events": [{"event_id": "topup:1", "user_id": 1, "message": "Top-up Rp 100,000 successful."}]}))]
    pub struct Events {
        /// Oldest first.
        pub events: Vec<Event>,
    }
}

/// Puts events into the outbox: to be run within the transaction of the fact that they tell.
pub fn insertion(events: &[Event]) -> BulkInsert {
    let mut insert = BulkInsert::new("INSERT INTO outbox (event_id, user_id, message, traceparent, actor, address)");
    for event in events {
        insert.row(&[
            Value::Text(&event.event_id),
            event.user_id.get().into(),
            Value::Text(&event.message),
            event.traceparent.as_deref().into(),
            event.actor.map(UserId::get).into(),
            event.address.as_deref().into(),
        ]);
    }
    insert
}

/// Shows how many events wait, and for how long.
pub async fn measure(pool: &MySqlPool) -> sqlx::Result<()> {
    let (events, microseconds): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM outbox LIMIT ?) counted),
                COALESCE((SELECT TIMESTAMPDIFF(MICROSECOND, created_at, NOW(6)) FROM outbox ORDER BY id LIMIT 1), 0)",
    )
    .bind(MOST_COUNTED)
    .fetch_one(pool)
    .await?;
    show(
        "outbox_events",
        "Events that notification-service does not have yet; 100,000 are counted at most",
        number(events),
    );
    show("outbox_oldest_event_seconds", "How long the oldest of these events has waited", seconds(microseconds));
    Ok(())
}

/// Hands the outbox over to notification-service.
pub struct Relay {
    pool: MySqlPool,
    notifications: ServiceClient,
    holder: Holder,
    backoff: Mutex<Backoff>,
}

type Row = (i64, String, UserId, String, Option<String>, Option<UserId>, Option<String>);

#[derive(Default)]
struct Backoff {
    until: Option<Instant>,
    delay: Duration,
}

impl Relay {
    /// A relay for the outbox in `pool`.
    pub fn new(pool: MySqlPool, notifications: ServiceClient) -> Self {
        Self { pool, notifications, holder: Holder::new(), backoff: Mutex::default() }
    }

    /// Hands over one batch, if this instance is the relay at the moment.
    pub async fn run_once(&self) -> anyhow::Result<Step> {
        if self.backs_off() {
            return Ok(Step::Idle);
        }
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, event_id, user_id, message, traceparent, actor, address FROM outbox
             WHERE next_attempt_at <= NOW(6) ORDER BY id LIMIT ?",
        )
        .bind(u32::try_from(MAX_EVENTS)?)
        .fetch_all(&self.pool)
        .await?;
        if rows.is_empty() || !lease::hold(&self.pool, "outbox", &self.holder, LEASE_SECONDS).await? {
            return Ok(Step::Idle);
        }
        let event = |(id, event_id, user_id, message, traceparent, actor, address)| {
            (id, Event { event_id, user_id, message, traceparent, actor, address })
        };
        let (ids, events): (Vec<i64>, Vec<Event>) = rows.into_iter().map(event).unzip();
        match self.send(events.clone()).await {
            Ok(()) => self.delivered(&ids).await?,
            // one of them is not as it must be; any other refusal is about the call, not about an event
            Err(CallError::Refused { status: StatusCode::BAD_REQUEST, .. }) => self.one_by_one(ids, events).await?,
            Err(error) => {
                self.back_off();
                return Err(error.into());
            }
        }
        *self.backoff.lock().expect("the lock is never poisoned") = Backoff::default();
        Ok(Step::Worked)
    }

    async fn send(&self, events: Vec<Event>) -> Result<(), CallError> {
        self.notifications
            .post::<_, serde_json::Value>(point!("outbox.hand_over"), EVENTS_PATH, &Events { events })
            .await
            .map(drop)
    }

    /// One event of a batch was refused: the others must not wait for it.
    async fn one_by_one(&self, ids: Vec<i64>, events: Vec<Event>) -> anyhow::Result<()> {
        for (id, event) in ids.into_iter().zip(events) {
            let event_id = event.event_id.clone();
            match self.send(vec![event]).await {
                Ok(()) => self.delivered(&[id]).await?,
                Err(error @ CallError::Refused { status: StatusCode::BAD_REQUEST, .. }) => {
                    tracing::error!(%error, event_id, "notification-service refuses an event; it is tried again later");
                    self.refused(id).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn refused(&self, id: i64) -> Result<(), DbError> {
        mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.pool, point!("outbox.refused")).await?;
            sqlx::query(
                "UPDATE outbox SET attempts = attempts + 1,
                        next_attempt_at = NOW(6) + INTERVAL LEAST(POW(2, LEAST(attempts, 12)), 3600) SECOND
                 WHERE id = ?",
            )
            .bind(id)
            .execute(&mut *tx)
            .await?;
            tx.commit().await
        })
        .await
    }

    async fn delivered(&self, ids: &[i64]) -> Result<(), DbError> {
        mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.pool, point!("outbox.delivered")).await?;
            let mut query = QueryBuilder::new("DELETE FROM outbox WHERE id IN ");
            mysql::push_list(&mut query, ids.iter().copied());
            query.build().execute(&mut *tx).await?;
            tx.commit().await
        })
        .await
    }

    fn backs_off(&self) -> bool {
        let backoff = self.backoff.lock().expect("the lock is never poisoned");
        backoff.until.is_some_and(|until| Instant::now() < until)
    }

    fn back_off(&self) {
        let mut backoff = self.backoff.lock().expect("the lock is never poisoned");
        backoff.delay = (backoff.delay * 2).clamp(RELAY_PACE.idle, MAX_BACKOFF);
        backoff.until = Some(Instant::now() + backoff.delay);
    }
}
