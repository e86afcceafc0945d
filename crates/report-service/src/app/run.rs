//! A run: the feed of changes from a position to its end, page by page.
//!
//! A change shows in the feed when it is committed, up to [`OVERLAP`] after its `changed_at`; then it stays in its place
//! until its transaction changes again, and moves to the end. Therefore:
//!
//! - Whatever is older than `newest - OVERLAP` showed before the run read its first page. The next run goes on from the
//!   place that this one has reached, but at most from `newest`, less the overlap.
//! - A transaction that showed when the run began is either behind the reader or ahead of it, and cannot get past unread:
//!   it moves forward only. So once the run has come to the end of the feed, every transaction that was inserted before
//!   `newest - OVERLAP` has a copy, in this state or an earlier one.
//! - For the same reason the run has taken over all that was committed when it began, at `true_at`. A user whose newest
//!   change is not newer than that has totals that were exactly true then.

use chrono::{DateTime, TimeDelta, Utc};
use common::client::CallError;
use fault::point;
use money::time;
use mysql::DbError;

use super::sync::{OVERLAP, RunError, Sync};
use crate::{
    clients::PAGE,
    domain::change::{Change, Position},
    store::{
        copies,
        sync_state::{self, Completed},
    },
};

/// A run under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// How far it has read.
    pub position: Position,
    /// The newest change that showed when it began.
    newest: DateTime<Utc>,
    /// When it began, on this service's clock.
    started: DateTime<Utc>,
    /// When it began, on transaction-service's clock.
    true_at: DateTime<Utc>,
}

impl Run {
    /// The run after `page`; `None` if that was the last one.
    pub fn after(self, page: &[Change]) -> Option<Self> {
        let last = page.last().filter(|_| page.len() == PAGE)?;
        Some(Self { position: Position { changed_at: last.changed_at, id: last.id.get() }, ..self })
    }
}

impl Sync {
    /// A run over the whole feed.
    pub(super) async fn run_from_the_beginning(&self) -> Result<Run, CallError> {
        self.begin(the_beginning()).await
    }

    /// A run over what changed since the last one.
    pub(super) async fn run_from_the_last(&self) -> Result<Run, RunError> {
        let state = sync_state::find(&mut *self.pool.acquire().await?).await?;
        // days of another time zone are counted anew
        let state = state.filter(|state| state.is_of(self.zone));
        let start =
            state.map_or_else(the_beginning, |state| Position { changed_at: state.changed_at - OVERLAP, id: 0 });
        Ok(self.begin(start).await?)
    }

    async fn begin(&self, position: Position) -> Result<Run, CallError> {
        let started = time::now();
        let (newest, moment) = self.transactions.newest().await?;
        let newest = newest.map_or_else(|| the_beginning().changed_at, |change| change.changed_at);
        // a transaction-service that names no moment is an older one: the newest change had been made by now
        Ok(Run { position, newest, started, true_at: moment.unwrap_or(newest) })
    }

    /// Takes over the page at the run's position, and notes how far the run has come.
    pub(super) async fn take_over_page(&self, run: Run, page: &[Change]) -> Result<(), DbError> {
        mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.pool, point!("sync")).await?;
            copies::take_over(&mut tx, page, Some(self.zone)).await?;
            match run.after(page) {
                Some(next) => sync_state::advance(&mut tx, next.position.changed_at.min(run.newest), self.zone),
                None => {
                    let Run { newest, started, true_at, .. } = run;
                    sync_state::complete(&mut tx, Completed { newest, started, true_at, zone: self.zone });
                }
            }
            tx.commit().await
        })
        .await
    }
}

fn the_beginning() -> Position {
    // older than any transaction, and young enough for the overlap to stay within the database's range
    Position { changed_at: DateTime::UNIX_EPOCH + TimeDelta::days(1), id: 0 }
}
