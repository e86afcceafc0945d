//! Audits: the ledger is proved again and again while the service runs, and what each proof found is kept.

use std::time::{Duration, Instant};

use common::{
    monitoring::{number, show},
    worker::{Pace, Rest, Step},
};
use fault::point;
use mysql::DbError;
use sqlx::MySqlPool;

use super::ledger::Ledger;
use crate::store::{
    audits,
    verify::{self, Verification},
};

/// The lock of the database, `audit.<schema>`, under which one instance audits. A migration holds it too: a statement that
/// changes a table of the ledger would wait until the proof ends, and payments behind it.
pub const LOCK: &str = "audit";
/// The longest pause between two looks: a failed audit of a large ledger is not begun again at once.
const MAX_PAUSE: Duration = Duration::from_mins(10);
/// The most violations of one audit that are logged.
const MAX_LOGGED: usize = 20;

/// How often it is looked whether an audit is due, and how long to wait after one that failed.
pub fn pace(interval: u32) -> Pace {
    Pace { idle: Duration::from_secs(interval.into()).min(MAX_PAUSE), rest: Rest::Never }
}

/// Audits the ledger if that was done last more than `interval` seconds ago, and if no other instance does it just now.
pub async fn run_once(ledger: &Ledger, interval: u32) -> anyhow::Result<Step> {
    let pool = &ledger.pool;
    if !audits::is_due(&mut *pool.acquire().await?, interval).await? {
        return Ok(Step::Idle);
    }
    // the lock ends with the session that holds it, and so does the proof: a crash leaves nothing to wait for
    let mut session = pool.acquire().await?;
    session.close_on_drop();
    if !audits::lock(&mut session, LOCK).await? || !audits::is_due(&mut *pool.acquire().await?, interval).await? {
        return Ok(Step::Idle); // another instance is faster
    }
    let begun = Instant::now();
    let found = verify::prove(&mut session).await?;
    keep(pool, &found, begun).await?;
    Ok(Step::Idle)
}

impl Ledger {
    /// Proves the ledger because somebody asks. What that finds counts as an audit.
    pub async fn verify(&self) -> sqlx::Result<Verification> {
        let begun = Instant::now();
        let found = verify::prove(&mut *self.pool.acquire().await?).await?;
        if let Err(error) = keep(&self.pool, &found, begun).await {
            tracing::warn!(%error, "what an audit found could not be kept"); // it is answered all the same
        }
        Ok(found)
    }
}

/// Logs and keeps what an audit found.
async fn keep(pool: &MySqlPool, found: &Verification, begun: Instant) -> Result<(), DbError> {
    let ms = begun.elapsed().as_millis();
    for violation in found.violations.iter().take(MAX_LOGGED) {
        tracing::error!(violation.rule, violation.subject, violation.detail, "the ledger is broken");
    }
    tracing::info!(found.ok, operations = found.checked_operations, users = found.checked_users, ms, "audited");
    mysql::retry(|_| async {
        let mut tx = mysql::begin(pool, point!("audit")).await?;
        audits::insert(tx.conn().await?, found).await?;
        tx.commit().await
    })
    .await
}

/// Shows what the last audit found, and when.
pub async fn measure(pool: &MySqlPool) -> sqlx::Result<()> {
    if let Some((audited_at, violations)) = audits::last(&mut *pool.acquire().await?).await? {
        show("ledger_verified_timestamp_seconds", "When the ledger was proved last", number(audited_at));
        show("ledger_violations", "What that proof found broken", number(violations));
    }
    Ok(())
}
