//! The synchronization: what its parts share. See [`super`].

use batch::{Lookups, PerKey};
use std::{sync::Arc, time::Instant};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use common::{
    ApiError,
    client::CallError,
    monitoring::{seconds, show},
    reads::ReadPool,
};
use fault::point;
use money::{UserId, time};
use mysql::{
    DbError,
    lease::{self, Holder},
};
use sqlx::MySqlPool;
use tokio::sync::Mutex;

use super::turns::Turns;
use crate::{
    clients::{TransactionClient, UserClient},
    codes,
    domain::{chain::Broken, change::Change},
    store::{
        copies,
        entries::{self, BalanceAt, BalanceKey, MOST_BALANCES},
        summaries::Totals,
        sync_state,
    },
};

/// How long a change may take to show in the feed, and more: longer than any database transaction there may take.
pub(super) const OVERLAP: TimeDelta = TimeDelta::seconds(60);
/// As many changes as most requests take over for their user.
const FEW: usize = 50;
/// Seconds for which one instance does a run. One that dies holds a full run up for as long.
const LEASE_SECONDS: u32 = 3;

/// A user's totals, and when they were exactly true, on transaction-service's clock.
#[derive(Debug, Clone)]
pub struct Told {
    pub totals: Totals,
    pub moment: DateTime<Utc>,
}

/// The last answer about a user, and when transaction-service was asked for it.
pub type LastTold = Option<(Instant, Told)>;

/// What was taken over.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// Into which generation.
    pub generation: i32,
    /// All that was committed in the ledger before this moment.
    pub moment: DateTime<Utc>,
}

/// When a request last took entries over, and what was taken over then.
pub type LastTaken = Option<(Instant, Option<Taken>)>;

/// Takes over what changed. Cheap to clone.
#[derive(Clone)]
pub struct Sync {
    pub(super) pool: MySqlPool,
    pub(super) reads: ReadPool,
    /// Requests for one user come one after the other.
    pub(super) locks: PerKey<UserId, LastTold>,
    /// Requests that wait for the same entries take them over together.
    pub(super) taking: PerKey<(), LastTaken>,
    /// Requests that wait for balances share queries.
    pub(super) balances: Lookups<BalanceKey, BalanceAt, DbError>,
    pub(super) users: UserClient,
    pub(super) transactions: TransactionClient,
    /// Where the days of the overview begin.
    pub(super) zone: Tz,
    /// When the last run began that a request for the overview has brought to its end; the next one waits for it.
    pub(super) overview_run: Arc<Mutex<Option<Instant>>>,
    /// Reconciliations come one after the other: each may hold a large file in memory.
    pub(super) reconciling: Arc<Mutex<()>>,
    /// The statements that are sent.
    pub(super) turns: Turns,
}

/// Why taking over ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunError {
    #[error(transparent)]
    Source(#[from] CallError),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("another instance took over")]
    LeaseLost,
    #[error(transparent)]
    Broken(#[from] Broken),
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
            RunError::LeaseLost => codes::SYNC_IN_PROGRESS.into(),
            RunError::Broken(error) => Self::internal(error),
        }
    }
}

impl Sync {
    /// A synchronization of the copy in `pool`, for the days of `zone`.
    pub fn new(pool: MySqlPool, reads: ReadPool, users: UserClient, transactions: TransactionClient, zone: Tz) -> Self {
        let balances =
            Lookups::start("balances", MOST_BALANCES, |found: &BalanceAt| found.key, DbError::is_unavailable, {
                let reads = reads.clone();
                move |keys| {
                    let reads = reads.clone();
                    async move { Ok(entries::balances_at(&mut *reads.acquire().await?, &keys).await?) }
                }
            });
        Self {
            balances,
            pool,
            reads,
            locks: PerKey::default(),
            taking: PerKey::default(),
            users,
            transactions,
            zone,
            overview_run: Arc::default(),
            reconciling: Arc::default(),
            turns: Turns::default(),
        }
    }

    /// Takes over `changes` in one database transaction. A large page is counted in the overview at once; what few requests bring is
    /// counted by the next run, so that they do not wait for each other at the rows of a day.
    pub(super) async fn take_over(&self, changes: &[Change]) -> Result<(), DbError> {
        if changes.is_empty() {
            return Ok(());
        }
        let zone = (changes.len() > FEW).then_some(self.zone);
        mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.pool, point!("refresh")).await?;
            copies::take_over(&mut tx, changes, zone).await?;
            tx.commit().await
        })
        .await
    }

    pub(super) async fn hold(&self, lease: &str, holder: &Holder) -> Result<bool, DbError> {
        lease::hold(&self.pool, lease, holder, LEASE_SECONDS).await
    }

    pub(super) async fn release(&self, lease: &str, holder: &Holder) -> Result<(), DbError> {
        lease::release(&self.pool, lease, holder).await
    }
}
