//! Carrying schedules out: each run is a transaction whose request is its schedule and its date, so that the unique key of requests
//! makes it once, however often and by how many instances it is asked for. A schedule moves on to its next date after its
//! transaction is there: a kill in between runs the same date again, which makes nothing new.

use chrono_tz::Tz;
use common::{
    Result,
    monitoring::{MOST_COUNTED, number, seconds, show},
    origin::SYSTEM,
    worker::Step as WorkerStep,
};
use fault::point;
use futures::future::join_all;
use money::time;
use sqlx::MySqlPool;

use super::transfers::{NotSent, Transfers};
use crate::{
    domain::{
        intent::{Inserted, Intent, NewTransaction, Request},
        schedule::Schedule,
    },
    store::schedules::{self as store, HasRun},
};

/// Schedules that run at a time: payments of people wait behind so many, at most.
const MAX_RUNS: u32 = 500;

/// Shows how many schedules are due, and for how long.
pub async fn measure(pool: &MySqlPool) -> sqlx::Result<()> {
    let (due, oldest) = store::overdue(&mut *pool.acquire().await?, MOST_COUNTED).await?;
    show("schedules_due", "Schedules whose date has come and that have not run", number(due));
    show("schedules_oldest_due_seconds", "How long the oldest of them has been due", seconds(oldest));
    Ok(())
}

impl Transfers {
    /// The transaction of a run: a new one, carried out as far as that is possible, or the one that was made before, which the settler
    /// goes on with. A new one stays if user-service is not reached: nobody else would ask for it again.
    async fn run(&self, new: NewTransaction, request: Request) -> Result<Inserted> {
        let intent = Intent { new, request, actor: SYSTEM.to_owned(), now: time::now() };
        match self.0.writer.insert(intent).await? {
            Inserted::Before(row) => Ok(Inserted::Before(row)),
            Inserted::New(row) => match self.advance(row, false).await {
                Ok(row) => Ok(Inserted::New(row)),
                Err(NotSent) => unreachable!("only a fresh transaction fails without being sent"),
            },
        }
    }
}

/// Carries out schedules.
pub struct Runner {
    pool: MySqlPool,
    transfers: Transfers,
    zone: Tz,
}

impl Runner {
    /// A runner of the schedules in `pool`, whose days are those of `zone`.
    pub fn new(pool: MySqlPool, transfers: Transfers, zone: Tz) -> Self {
        Self { pool, transfers, zone }
    }

    /// Runs one date of each of the schedules that have been due the longest.
    pub async fn run_once(&self) -> anyhow::Result<WorkerStep> {
        let due = store::due(&mut *self.pool.acquire().await?, MAX_RUNS).await?;
        if due.is_empty() {
            return Ok(WorkerStep::Idle);
        }
        let (mut runs, mut failure, mut is_silent) = (Vec::new(), None, false);
        for run in join_all(due.into_iter().map(|schedule| self.run(schedule))).await {
            match run {
                Ok((run, is_open)) => {
                    is_silent |= is_open;
                    runs.push(run);
                }
                Err(error) => failure = Some(error),
            }
        }
        self.move_on(&runs).await?;
        if let Some(error) = failure {
            anyhow::bail!("a schedule could not be carried out: {}", error.body());
        }
        // user-service is silent: the settler goes on with these, and the others wait
        Ok(if is_silent { WorkerStep::Idle } else { WorkerStep::Worked })
    }

    /// Runs a schedule's next date; true if it is not known yet what comes of its new transaction.
    async fn run(&self, before: Schedule) -> Result<(HasRun, bool)> {
        let mut after = before.clone();
        let (mut failure, mut is_open) = (None, false);
        if let Some((new, request)) = before.run() {
            let inserted = self.transfers.run(new, request).await?;
            is_open = matches!(&inserted, Inserted::New(row) if row.is_being_created());
            let (Inserted::New(row) | Inserted::Before(row)) = inserted;
            failure = row.state.failure();
        } else if before.next_date().is_some() {
            tracing::error!(schedule = %before.id, "its shares do not add up to its amount: this date is passed over");
        }
        after.has_run(failure, time::now());
        Ok((HasRun { before, after }, is_open))
    }

    /// Moves the schedules on whose transactions are there.
    async fn move_on(&self, runs: &[HasRun]) -> anyhow::Result<()> {
        mysql::retry(|_| async move {
            let mut tx = mysql::begin(&self.pool, point!("schedules.moved")).await?;
            store::move_on(&mut tx, runs, self.zone);
            tx.commit().await
        })
        .await?;
        Ok(())
    }
}
