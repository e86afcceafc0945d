//! Keeps the copy of the transactions up to date.
//!
//! Everything is taken over page by page from the feed of changes, and taking a change over twice is the same as once.
//! Rows show up in the feed when they are committed, not in the order of their time, so a run starts a little before
//! where the last one ended. What is missing is added; nothing is deleted first, so readers see the old or the new.

use chrono::{DateTime, TimeDelta, Utc};
use common::{
    ApiError, Result, UserId,
    db::{self, DbError},
    error::error_chain,
    http::client::CallError,
    lease::{self, Holder},
    time,
    worker::Step,
};
use sqlx::MySqlPool;

use crate::{
    clients::{Change, PAGE, Position, TransactionClient, UserClient},
    store::{copies, sync_state},
};

/// How far behind the newest change a run starts: longer than any database transaction there may take.
const OVERLAP: TimeDelta = TimeDelta::seconds(60);
/// Pages that a request takes over for its user before it answers; the background run does the rest.
const MAX_PAGES_PER_REQUEST: usize = 10;
/// Seconds for which one instance does the background run, renewed with every page.
const LEASE_SECONDS: u32 = 30;
/// The lease of the background run.
const BACKGROUND_LEASE: &str = "sync";
/// The lease of a full run.
const FULL_LEASE: &str = "sync_all";

/// What a full run took over.
#[derive(Debug, Clone, Copy, Default)]
pub struct Synced {
    pub users: u64,
    pub transactions: u64,
}

/// Takes over what changed. Cheap to clone.
#[derive(Clone)]
pub struct Sync {
    pool: MySqlPool,
    users: UserClient,
    transactions: TransactionClient,
    holder: Holder,
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Source(#[from] CallError),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("another instance took over")]
    LeaseLost,
}

impl From<sqlx::Error> for RunError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

impl From<RunError> for ApiError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Source(error) => error.into(),
            RunError::Db(error) => error.into(),
            RunError::LeaseLost => in_progress(),
        }
    }
}

fn in_progress() -> ApiError {
    ApiError::conflict("sync_in_progress", "A synchronization is running; wait for it to end")
}

impl Sync {
    /// A synchronization of the copy in `pool`.
    pub fn new(pool: MySqlPool, users: UserClient, transactions: TransactionClient) -> Self {
        Self { pool, users, transactions, holder: Holder::new() }
    }

    /// The background run: everything that changed since the last one, if no other instance is at it.
    pub async fn run_once(&self) -> anyhow::Result<Step> {
        let started = time::now();
        if !self.hold(BACKGROUND_LEASE).await? {
            return Ok(Step::Idle);
        }
        let taken = self.take_over_all(self.start().await?, BACKGROUND_LEASE, &self.holder, started).await?;
        tracing::debug!(taken, "taken over");
        lease::release(&mut *self.pool.acquire().await?, BACKGROUND_LEASE, &self.holder).await?;
        Ok(Step::Idle)
    }

    /// A full run: every user and every transaction; 409 while another one is under way.
    pub async fn run_all(&self) -> Result<Synced> {
        let started = time::now();
        // a holder of its own: two requests to the same instance exclude each other too
        let holder = Holder::new();
        if !lease::hold(&mut *self.pool.acquire().await?, FULL_LEASE, &holder, LEASE_SECONDS).await? {
            return Err(in_progress());
        }
        let synced = self.take_over_everything(&holder, started).await;
        lease::release(&mut *self.pool.acquire().await?, FULL_LEASE, &holder).await?;
        Ok(synced?)
    }

    async fn take_over_everything(&self, holder: &Holder, started: DateTime<Utc>) -> Result<Synced, RunError> {
        let mut synced = Synced::default();
        let mut cursor = None;
        loop {
            let page = self.users.page_after(cursor).await?;
            let Some(last) = page.last() else { break };
            cursor = Some(*last);
            synced.users += page.len() as u64;
            self.renew(FULL_LEASE, holder).await?;
            db::retry(|| async { Ok(copies::take_over_users(&mut *self.pool.acquire().await?, &page).await?) }).await?;
        }
        synced.transactions = self.take_over_all(the_beginning(), FULL_LEASE, holder, started).await?;
        Ok(synced)
    }

    /// Takes over what changed for one user, for a request that is about to read it. `None`: the copy is up to date;
    /// otherwise since when it may not be, because a source is away or there is too much to take over at once.
    pub async fn refresh(&self, user: UserId) -> Result<Option<DateTime<Utc>>> {
        let state = sync_state::find(&mut *self.pool.acquire().await?).await?;
        let stale = || state.map_or(DateTime::UNIX_EPOCH, |state| state.synced_at);
        let mut position = self.start().await?;
        for _ in 0..MAX_PAGES_PER_REQUEST {
            let changes = match self.transactions.changes(position, Some(user)).await {
                Ok(changes) => changes,
                Err(error) => {
                    tracing::warn!(error = error_chain(&error), "answering from the copy");
                    return Ok(Some(stale()));
                }
            };
            self.take_over(&changes).await?;
            match changes.last() {
                Some(last) if changes.len() == PAGE => position = after(last),
                _ => return Ok(None),
            }
        }
        Ok(Some(stale()))
    }

    /// Takes over `changes` in one database transaction.
    pub async fn take_over(&self, changes: &[Change]) -> Result<(), DbError> {
        db::retry(|| async {
            let mut tx = self.pool.begin().await?;
            copies::take_over(&mut tx, changes).await?;
            db::commit(tx).await
        })
        .await
    }

    async fn take_over_all(
        &self,
        mut position: Position,
        lease: &str,
        holder: &Holder,
        started: DateTime<Utc>,
    ) -> Result<u64, RunError> {
        let mut taken = 0;
        loop {
            let changes = self.transactions.changes(position, None).await?;
            self.renew(lease, holder).await?;
            self.take_over(&changes).await?;
            taken += changes.len() as u64;
            let full = changes.len() == PAGE;
            if let Some(last) = changes.last() {
                position = after(last);
            }
            if !full {
                let mut conn = self.pool.acquire().await?;
                sync_state::advance(&mut conn, position.changed_at, started).await?;
                return Ok(taken);
            }
        }
    }

    /// Where a run starts: a little before where the last one ended.
    async fn start(&self) -> sqlx::Result<Position> {
        let state = sync_state::find(&mut *self.pool.acquire().await?).await?;
        Ok(state.map_or_else(the_beginning, |state| Position { changed_at: state.changed_at - OVERLAP, id: 0 }))
    }

    async fn hold(&self, name: &str) -> sqlx::Result<bool> {
        lease::hold(&mut *self.pool.acquire().await?, name, &self.holder, LEASE_SECONDS).await
    }

    async fn renew(&self, name: &str, holder: &Holder) -> Result<(), RunError> {
        if lease::hold(&mut *self.pool.acquire().await?, name, holder, LEASE_SECONDS).await? {
            Ok(())
        } else {
            Err(RunError::LeaseLost)
        }
    }
}

fn the_beginning() -> Position {
    // Older than any transaction, and young enough for the overlap to stay within the database's range.
    Position { changed_at: DateTime::UNIX_EPOCH + TimeDelta::days(1), id: 0 }
}

fn after(change: &Change) -> Position {
    Position { changed_at: change.changed_at, id: change.id.get() }
}
