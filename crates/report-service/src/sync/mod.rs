//! Keeps the copy of the transactions up to date.
//!
//! A *run* ([`run`]) takes over the feed of changes page by page: all of it ([`full`]), or what changed since the last one
//! ([`background`]). A request takes over what a run may not have seen yet: of its user ([`refresh`]), or of the
//! transactions on its page ([`reported`]). Taking a change
//! over twice is the same as once. What is missing is added; nothing is deleted first, so readers see the old or the new.
//!
//! Only moments of transaction-service's database are compared with each other, never with a clock of this service.

mod background;
mod full;
mod refresh;
mod reported;
mod run;

pub use background::{BACKGROUND_REST, Background};
pub use refresh::Told;
pub use reported::Reported;

use chrono::TimeDelta;
use common::{
    ApiError, Code, UserId,
    db::{self, DbError},
    http::client::CallError,
    lease::{self, Holder},
    monitoring::{seconds, show},
    per_key::PerKey,
    point,
    reads::ReadPool,
    time,
};
use sqlx::MySqlPool;

use refresh::LastTold;

use crate::{
    clients::{Change, TransactionClient, UserClient},
    store::{copies, sync_state},
};

/// How long a change may take to show in the feed, and more: longer than any database transaction there may take.
const OVERLAP: TimeDelta = TimeDelta::seconds(60);
/// Seconds for which one instance does a run.
const LEASE_SECONDS: u32 = 4;

/// Takes over what changed. Cheap to clone.
#[derive(Clone)]
pub struct Sync {
    pool: MySqlPool,
    reads: ReadPool,
    /// Requests for one user come one after the other.
    turns: PerKey<UserId, LastTold>,
    users: UserClient,
    transactions: TransactionClient,
}

/// Why taking over ended early.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Source(#[from] CallError),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("another instance took over")]
    LeaseLost,
}

/// Shows how long ago the last run began that came to its end.
pub async fn measure(pool: MySqlPool) -> sqlx::Result<()> {
    let state = sync_state::find(&mut *pool.acquire().await?).await?;
    if let Some(synced_at) = state.and_then(|state| state.synced_at) {
        let behind = (time::now() - synced_at).num_microseconds().unwrap_or(i64::MAX);
        show("report_sync_lag_seconds", "How long ago the last run began that came to its end", seconds(behind));
    }
    Ok(())
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
            RunError::LeaseLost => Code::SyncInProgress.into(),
        }
    }
}

impl Sync {
    /// A synchronization of the copy in `pool`.
    pub fn new(pool: MySqlPool, reads: ReadPool, users: UserClient, transactions: TransactionClient) -> Self {
        Self { pool, reads, turns: PerKey::default(), users, transactions }
    }

    /// Takes over `changes` in one database transaction.
    async fn take_over(&self, changes: &[Change]) -> Result<(), DbError> {
        if changes.is_empty() {
            return Ok(());
        }
        db::retry(|_| async {
            let mut tx = db::begin(&self.pool, point!("refresh")).await?;
            copies::take_over(&mut tx, changes).await?;
            tx.commit().await
        })
        .await
    }

    async fn hold(&self, lease: &str, holder: &Holder) -> Result<bool, DbError> {
        lease::hold(&self.pool, lease, holder, LEASE_SECONDS).await
    }

    async fn release(&self, lease: &str, holder: &Holder) -> Result<(), DbError> {
        lease::release(&self.pool, lease, holder).await
    }
}
