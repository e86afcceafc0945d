//! Looks at all money at once, twenty times a second, from the first request to the last.

use std::time::{Duration, Instant};

use anyhow::Result;
use sqlx::MySqlPool;
use tokio::time::sleep;

/// How often.
const PERIOD: Duration = Duration::from_millis(50);
/// How long after its time an operation is certain to be committed or not: longer than any database transaction may be
/// silent.
const SETTLED_AFTER_SECONDS: u32 = 60;
/// How often the part of the ledger that no longer changes is added up.
const SUM_UP_EVERY: Duration = Duration::from_secs(10);

/// What was seen.
#[derive(Debug, Default)]
pub struct Samples {
    /// How often everything was added up.
    pub taken: u64,
    /// Moments at which it was not as it must be.
    pub violations: Vec<String>,
    /// At each look, when the oldest unsettled transaction was begun; the look itself if everything was settled.
    pub unsettled_since: Vec<(Instant, Instant)>,
}

/// What came in and went out up to an operation, which no later commit can change.
#[derive(Debug, Default, Clone, Copy)]
struct Settled {
    operation: i64,
    external: i64,
}

/// Samples until `end`. A database that is away is asked again.
pub async fn sample(users: MySqlPool, transactions: MySqlPool, end: Instant) -> Samples {
    let (mut samples, mut settled, mut summed_up) = (Samples::default(), Settled::default(), Instant::now());
    while Instant::now() < end {
        let next = Instant::now() + PERIOD;
        if let Ok((total, external, least)) = look(&users, settled.operation).await {
            samples.taken += 1;
            let drift = total + external + settled.external;
            if drift != 0 {
                samples.violations.push(format!("the balances and the ledger differ by {drift}"));
            }
            if least < 0 {
                samples.violations.push(format!("a balance stood at {least}"));
            }
        }
        if let Ok(age) = oldest(&transactions).await {
            let now = Instant::now();
            samples.unsettled_since.push((now, now.checked_sub(age).unwrap_or(now)));
        }
        if summed_up.elapsed() > SUM_UP_EVERY
            && let Ok(more) = sum_up(&users, settled).await
        {
            (settled, summed_up) = (more, Instant::now());
        }
        sleep(next.saturating_duration_since(Instant::now())).await;
    }
    samples
}

/// All balances, what came from outside since `operation`, and the least balance, in one statement: so at one moment.
/// In hundredths.
async fn look(users: &MySqlPool, operation: i64) -> Result<(i64, i64, i64)> {
    let query = sqlx::query_as(
        "SELECT CAST(100 * SUM(available + held) AS SIGNED),
                (SELECT CAST(100 * COALESCE(SUM(amount), 0) AS SIGNED) FROM ledger_entries
                 WHERE operation_id > ? AND account = 'external'),
                CAST(100 * MIN(LEAST(available, held)) AS SIGNED)
         FROM accounts",
    );
    Ok(query.bind(operation).fetch_one(users).await?)
}

async fn sum_up(users: &MySqlPool, before: Settled) -> Result<Settled> {
    let operation: i64 = sqlx::query_scalar(
        "SELECT CAST(COALESCE(MAX(id), ?) AS SIGNED) FROM operations WHERE id > ? AND created_at < NOW(6) - INTERVAL ? SECOND",
    )
    .bind(before.operation)
    .bind(before.operation)
    .bind(SETTLED_AFTER_SECONDS)
    .fetch_one(users)
    .await?;
    let external: i64 = sqlx::query_scalar(
        "SELECT CAST(100 * COALESCE(SUM(amount), 0) AS SIGNED) FROM ledger_entries
         WHERE operation_id > ? AND operation_id <= ? AND account = 'external'",
    )
    .bind(before.operation)
    .bind(operation)
    .fetch_one(users)
    .await?;
    Ok(Settled { operation, external: before.external + external })
}

/// The age of the oldest unsettled transaction; zero if there is none.
async fn oldest(transactions: &MySqlPool) -> Result<Duration> {
    let query = "SELECT TIMESTAMPDIFF(MICROSECOND, MIN(updated_at), UTC_TIMESTAMP(6))
                 FROM transactions WHERE status = 'processing'";
    let microseconds: Option<i64> = sqlx::query_scalar(query).fetch_one(transactions).await?;
    Ok(Duration::from_micros(microseconds.unwrap_or_default().try_into().unwrap_or_default()))
}
