//! Looks once a second what is due, in one statement, and wakes whoever goes on with it.

use std::time::Duration;

use common::worker::{Pace, Rest, Signal, Step as WorkerStep};
use sqlx::MySqlPool;

use crate::store::due::{self, Due};

/// How often it looks.
pub const CLOCK_PACE: Pace = Pace { idle: Duration::from_secs(1), rest: Rest::Never };
/// The pace of those whom it wakes: they look for themselves every minute, too.
pub const WOKEN_PACE: Pace = Pace { idle: Duration::from_mins(1), rest: Rest::Never };

/// A step or an atomic batch is overdue.
pub static OVERDUE: Signal = Signal::new();
/// The time of a pending transaction is over.
pub static EXPIRED: Signal = Signal::new();
/// The time of a scheduled transaction has come.
pub static BEGINS: Signal = Signal::new();
/// A schedule is due.
pub static RUNS: Signal = Signal::new();

/// Looks, and wakes.
pub async fn tick(pool: &MySqlPool) -> anyhow::Result<WorkerStep> {
    let Due { overdue, expired, begins, runs } = due::look(&mut *pool.acquire().await?).await?;
    for (is_due, signal) in [(overdue, &OVERDUE), (expired, &EXPIRED), (begins, &BEGINS), (runs, &RUNS)] {
        if is_due {
            signal.give();
        }
    }
    Ok(WorkerStep::Idle)
}
