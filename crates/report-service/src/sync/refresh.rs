//! What a request takes over for its user before it answers.
//!
//! Once a run has come to its end, every transaction that was inserted before its horizon has a copy ([`super::run`]). A
//! transaction has no older `changed_at` than the moment of its insertion, and ids are given out in the order of
//! insertion. So all that can be missing is found by walking the user's transactions newest first, down to one that has
//! not changed since the horizon. A copy that exists may be behind only while its transaction is open: what is settled
//! stays so. Those are asked for again by id.

use std::iter;

use chrono::{DateTime, Utc};
use common::{Result, TransactionId, UserId, error::error_chain};

use super::{OVERLAP, RunError, Sync};
use crate::{
    clients::{MAX_IDS, PAGE},
    store::{copies, sync_state},
};

/// Transactions on the first page of a walk: few users have made more since the last run.
const FIRST_PAGE: usize = 50;
/// Pages that a request takes over for its user, the first one included; the background run does the rest.
const MAX_PAGES_PER_REQUEST: usize = 11;
/// Open transactions that a request asks for again, the newest ones.
const MAX_OPEN: usize = MAX_IDS;

impl Sync {
    /// Takes over what changed for one user, for a request that is about to read it. `None`: the copy is up to date;
    /// otherwise since when it may not be, because a source is away or there is too much to take over at once.
    pub async fn refresh(&self, user: UserId) -> Result<Option<DateTime<Utc>>> {
        let state = sync_state::find(&mut *self.pool.acquire().await?).await?;
        let stale = || Some(state.and_then(|state| state.synced_at).unwrap_or(DateTime::UNIX_EPOCH));
        let horizon = state.and_then(|state| state.complete_to).map(|moment| moment - OVERLAP);
        match self.take_over_of(user, horizon).await {
            Ok(true) => Ok(None),
            Ok(false) => Ok(stale()),
            Err(RunError::Source(error)) => {
                tracing::warn!(error = error_chain(&error), "answering from the copy");
                Ok(stale())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// False if there is too much of it.
    async fn take_over_of(&self, user: UserId, horizon: Option<DateTime<Utc>>) -> Result<bool, RunError> {
        match self.take_over_missing(user, horizon).await? {
            Walk::Ended { lowest } => self.take_over_open(user, lowest).await,
            Walk::TooLong => Ok(false),
        }
    }

    async fn take_over_missing(&self, user: UserId, horizon: Option<DateTime<Utc>>) -> Result<Walk, RunError> {
        let mut lowest = None;
        for limit in iter::once(FIRST_PAGE).chain(iter::repeat_n(PAGE, MAX_PAGES_PER_REQUEST - 1)) {
            let mut page = self.transactions.of_user(user, lowest, limit).await?;
            let is_full = page.len() == limit;
            let known = page.iter().position(|change| horizon.is_some_and(|horizon| change.changed_at < horizon));
            page.truncate(known.unwrap_or(limit));
            self.take_over(&page).await?;
            lowest = page.last().map(|change| change.id).or(lowest);
            if known.is_some() || !is_full {
                return Ok(Walk::Ended { lowest });
            }
        }
        Ok(Walk::TooLong)
    }

    async fn take_over_open(&self, user: UserId, below: Option<TransactionId>) -> Result<bool, RunError> {
        let mut open = copies::open(&mut *self.pool.acquire().await?, user, below, MAX_OPEN + 1).await?;
        let are_all = open.len() <= MAX_OPEN;
        open.truncate(MAX_OPEN);
        if !open.is_empty() {
            self.take_over(&self.transactions.batch(&open).await?).await?;
        }
        Ok(are_all)
    }
}

/// What became of a walk through a user's transactions.
enum Walk {
    /// All below `lowest`, which was the last one that was taken over, have a copy.
    Ended { lowest: Option<TransactionId> },
    /// There were still more.
    TooLong,
}
