//! The transactional outbox: what has happened is a row, written in the database transaction in which it happens.
//!
//! A relay hands the facts to notification-service, at least once and oldest first; a fact's `id` lets notification-service
//! notify each user once. An outage there delays notifications and nothing else.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use fault::point;
use mysql::{
    DbError, File, Unit,
    bulk::{BulkInsert, Value, list},
    lease::{self, Holder},
};
use serde::Serialize;
use serde_json::{json, value::RawValue};
use sqlx::MySqlPool;

use crate::{
    client::{CallError, ServiceClient},
    fact::Fact,
    monitoring::{MOST_COUNTED, number, seconds, show},
    request,
    worker::{Pace, Rest, Signal, Step, Workers},
};

/// The table of the outbox.
pub const TABLE: File = mysql::migration!("0003_outbox");
/// Facts that one call hands over.
pub const MAX_FACTS: usize = 1000;
/// Bytes of facts in a call, unless one alone has more: some of them tell twenty people.
const MAX_HANDED_OVER: usize = 512 * 1024;
/// The relay looks for facts when this process has written some, and for those of others every four seconds. It leaves four
/// fifths of the time to those who move money, if there are any.
const PACE: Pace = Pace { idle: Duration::from_secs(4), rest: Rest::WhileServing(4) };
/// The first pause between attempts while notification-service is away.
const MIN_BACKOFF: Duration = Duration::from_millis(250);
/// The longest pause between attempts while notification-service is away.
const MAX_BACKOFF: Duration = Duration::from_secs(4);
/// Seconds for which one instance is the relay, and for which its successor waits after a crash. A call that takes longer
/// may be made by two instances: each user is notified once all the same.
const LEASE_SECONDS: u32 = 2;
/// Where notification-service takes facts.
pub const FACTS_PATH: &str = "/internal/facts";

request! {
    /// The body of one hand-over.
    #[derive(Debug, Serialize)]
    #[schemars(example = json!({"facts": [{
        "id": "topup:0c1d6b52-8d7a-4f3f-9c0e-2d6a1a5c7e11",
        "type": "topup.completed",
        "created_at": "2025-11-12T10:30:00Z",
        "actor": "user:1",
        "data": {"user_id": 1, "amount": 100_000},
    }]}))]
    pub struct Facts {
        /// Oldest first.
        pub facts: Vec<Fact>,
    }
}

/// There are facts to hand over.
static WRITTEN: Signal = Signal::new();

/// Puts facts into the outbox with the unit of work in which they become true.
///
/// # Panics
/// If one cannot be written as JSON, which is a mistake in the code.
pub fn write(unit: &mut Unit, facts: &[Fact]) {
    if facts.is_empty() {
        return;
    }
    let mut insert = BulkInsert::new("INSERT INTO outbox (fact)");
    for fact in facts {
        let text = serde_json::to_string(fact).expect("facts are plain structures");
        insert.row(&[Value::Text(&text)]);
    }
    unit.insert(insert);
    unit.on_commit(|| WRITTEN.give());
}

/// Shows how many facts wait, and for how long.
pub async fn measure(pool: &MySqlPool) -> sqlx::Result<()> {
    let (facts, microseconds): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM outbox LIMIT ?) counted),
                COALESCE((SELECT TIMESTAMPDIFF(MICROSECOND, created_at, NOW(6)) FROM outbox ORDER BY id LIMIT 1), 0)",
    )
    .bind(MOST_COUNTED)
    .fetch_one(pool)
    .await?;
    show(
        "outbox_facts",
        "Facts that notification-service does not have yet; 100,000 are counted at most",
        number(facts),
    );
    show("outbox_oldest_fact_seconds", "How long the oldest of these facts has waited", seconds(microseconds));
    Ok(())
}

/// Starts to hand over to `notifications` what is in the outbox of `pool`.
pub fn start(pool: &MySqlPool, notifications: &ServiceClient, workers: &Workers) {
    let relay = Arc::new(Relay::new(pool.clone(), notifications.clone()));
    workers.spawn_for(&WRITTEN, "outbox", PACE, move || {
        let relay = relay.clone();
        async move { relay.run_once().await }
    });
}

/// Hands the outbox over to notification-service.
pub struct Relay {
    pool: MySqlPool,
    notifications: ServiceClient,
    holder: Holder,
    backoff: Mutex<Backoff>,
}

/// Facts as they stand in the outbox.
#[derive(Serialize)]
struct HandOver<'a> {
    facts: &'a [Box<RawValue>],
}

/// As many as a call may have; one at least.
fn first_of(rows: Vec<(i64, String)>) -> impl Iterator<Item = (i64, String)> {
    let mut bytes = 0;
    rows.into_iter().enumerate().map_while(move |(place, row)| {
        bytes += row.1.len();
        (place == 0 || bytes <= MAX_HANDED_OVER).then_some(row)
    })
}

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
        let rows: Vec<(i64, String)> =
            sqlx::query_as("SELECT id, fact FROM outbox WHERE next_attempt_at <= NOW(6) ORDER BY id LIMIT ?")
                .bind(u32::try_from(MAX_FACTS)?)
                .fetch_all(&self.pool)
                .await?;
        if rows.is_empty() || !lease::hold(&self.pool, "outbox", &self.holder, LEASE_SECONDS).await? {
            return Ok(Step::Idle);
        }
        let (ids, texts): (Vec<i64>, Vec<String>) = first_of(rows).unzip();
        let facts = texts.into_iter().map(RawValue::from_string).collect::<Result<Vec<_>, _>>()?;
        match self.send(&facts).await {
            Ok(()) => self.delivered(&ids).await?,
            // one of them is not as it must be; any other refusal is about the call, not about a fact
            Err(CallError::Refused { status: StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE, .. }) => {
                self.one_by_one(&ids, &facts).await?;
            }
            Err(error) => {
                self.back_off();
                return Err(error.into());
            }
        }
        *self.backoff.lock().expect("the lock is never poisoned") = Backoff::default();
        Ok(Step::Worked)
    }

    async fn send(&self, facts: &[Box<RawValue>]) -> Result<(), CallError> {
        self.notifications
            .post::<_, serde_json::Value>(point!("outbox.hand_over"), FACTS_PATH, &HandOver { facts })
            .await
            .map(drop)
    }

    /// One fact of a batch was refused, perhaps because notification-service is of an older version: the others must not
    /// wait for it.
    async fn one_by_one(&self, ids: &[i64], facts: &[Box<RawValue>]) -> anyhow::Result<()> {
        for (id, fact) in ids.iter().zip(facts) {
            match self.send(std::slice::from_ref(fact)).await {
                Ok(()) => self.delivered(&[*id]).await?,
                Err(error @ CallError::Refused { status: StatusCode::BAD_REQUEST, .. }) => {
                    tracing::error!(%error, row = id, "notification-service refuses a fact; it is tried again later");
                    self.refused(*id).await?;
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
            .execute(tx.conn().await?)
            .await?;
            tx.commit().await
        })
        .await
    }

    async fn delivered(&self, ids: &[i64]) -> Result<(), DbError> {
        mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.pool, point!("outbox.delivered")).await?;
            tx.write(format!("DELETE FROM outbox WHERE id IN {}", list(ids.iter().copied())));
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
        backoff.delay = (backoff.delay * 2).clamp(MIN_BACKOFF, MAX_BACKOFF);
        backoff.until = Some(Instant::now() + backoff.delay);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_so_many_bytes_of_facts_but_one_fact_at_least() {
        let row = |id: i64, bytes: usize| (id, "x".repeat(bytes));
        let ids = |rows: Vec<(i64, String)>| first_of(rows).map(|(id, _)| id).collect::<Vec<_>>();
        let half = MAX_HANDED_OVER / 2;
        assert_eq!(ids(vec![row(1, half), row(2, half), row(3, 1)]), [1, 2]);
        assert_eq!(ids(vec![row(1, 2 * MAX_HANDED_OVER), row(2, 1)]), [1]);
        assert_eq!(ids(Vec::new()), [] as [i64; 0]);
    }
}
