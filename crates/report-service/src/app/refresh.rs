//! What a request takes over for its user before it answers, and what it may answer then.
//!
//! Once a run has come to its end, every transaction that was inserted before its horizon has a copy ([`super::run`]). A
//! transaction has no older `changed_at` than the moment of its insertion, and ids are given out in the order of
//! insertion. So all that can be missing is found by walking the user's transactions newest first, down to one that has
//! not changed since the horizon. A copy that exists may be behind only while its transaction is open: what is settled
//! stays so: what a refund takes out of the totals counts where it is a transaction of its own. Those are asked for again by id.
//!
//! All this takes several calls, and meanwhile the transactions go on changing. What is answered was true at one moment
//! all the same: that of the first page. Whatever changed later is taken over as it was at that moment; if it cannot be
//! told how that was, or if somebody else has taken over newer changes meanwhile, the request begins again. A request
//! that comes to no such moment answers the last totals of which it is known when they were exactly true.

use std::{collections::HashSet, time::Instant};

use chrono::{DateTime, Utc};
use common::{ApiError, Result, error::error_chain, reads::USER_LOCK_TIMEOUT};
use fault::point;
use money::{TransactionId, UserId};
use tokio::time::timeout;

use super::sync::{OVERLAP, RunError, Sync, Told};
use crate::{
    clients::{MAX_IDS, PAGE},
    codes,
    domain::change::{Change, Status},
    store::{
        copies,
        summaries::{self, Totals},
        sync_state,
    },
};

/// Transactions on the first page of a walk: few users have made more since the last run.
const FIRST_PAGE: usize = 50;
/// Pages that a request takes over for its user, the first one included: 100,000 transactions.
pub(super) const MAX_PAGES_PER_REQUEST: usize = 201;
/// Open transactions that a request asks for again.
const MAX_OPEN: usize = 5 * MAX_IDS;
/// How often a request begins again.
pub(super) const ATTEMPTS: usize = 3;

/// What became of a walk through a user's transactions.
enum Walk {
    /// All copies are as the transactions were at this moment, unless somebody else has taken over newer changes.
    Complete { moment: DateTime<Utc>, is_deep: bool },
    /// Something changed meanwhile, and it is not known what it was before.
    Unsettled,
    /// There is more than a request takes over; or transaction-service is an older one, which names no moment.
    TooLong,
}

impl Sync {
    /// The totals of a user, after what has changed was taken over. Requests for one user come one after the other, and
    /// those that waited for the same one are answered together. 503 if nothing is known of which it is known when it
    /// was true.
    pub async fn totals(&self, user: UserId) -> Result<Told> {
        let asked = Instant::now();
        let mut last = timeout(USER_LOCK_TIMEOUT, self.locks.lock(user)).await.map_err(|_| codes::OVERLOADED)?;
        if let Some((begun, told)) = last.as_ref().filter(|(begun, _)| *begun >= asked) {
            tracing::debug!(?begun, "answered together with another request");
            return Ok(told.clone());
        }
        let begun = Instant::now();
        let told = self.refresh(user).await?;
        *last = Some((begun, told.clone()));
        Ok(told)
    }

    async fn refresh(&self, user: UserId) -> Result<Told> {
        let mut cause = ApiError::new(codes::OVERLOADED);
        for _ in 0..ATTEMPTS {
            match self.take_over_of(user).await {
                Ok(Walk::Complete { moment, is_deep }) => {
                    if let Some(totals) = self.present(user, moment, is_deep).await? {
                        return Ok(Told { totals, moment });
                    }
                }
                Ok(Walk::Unsettled) => {}
                Ok(Walk::TooLong) => break,
                Err(RunError::Source(error)) => {
                    tracing::warn!(error = error_chain(&error), "answering from the copy");
                    cause = error.into();
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let mut conn = self.reads.acquire().await?;
        let run_at = sync_state::find(&mut conn).await?.and_then(|state| state.true_at);
        let last = summaries::find(&mut conn, user).await?.last_true(run_at);
        last.map(|(totals, moment)| Told { totals, moment }).ok_or(cause)
    }

    /// The totals, if they were exactly true at `moment`: up to it nothing is missing.
    async fn present(&self, user: UserId, moment: DateTime<Utc>, is_deep: bool) -> Result<Option<Totals>> {
        let (run_at, summary) = {
            let mut conn = self.reads.acquire().await?;
            let run_at = sync_state::find(&mut conn).await?.and_then(|state| state.true_at);
            (run_at, summaries::find(&mut conn, user).await?)
        };
        if !summary.counts_nothing_after(moment) {
            return Ok(None);
        }
        // most are known to have been true at some moment, and a write for each request would cost too much
        if is_deep || summary.true_at(run_at).is_none() {
            mysql::retry(|_| async {
                let mut tx = mysql::begin(&self.pool, point!("publish")).await?;
                summaries::publish(tx.conn().await?, user, moment).await?;
                if is_deep {
                    summaries::walked(tx.conn().await?, user, moment).await?;
                }
                tx.commit().await
            })
            .await?;
        }
        Ok(Some(summary.totals))
    }

    async fn take_over_of(&self, user: UserId) -> Result<Walk, RunError> {
        let horizon = self.horizon(user).await?;
        let (mut page, moment) = self.transactions.of_user(user, None, FIRST_PAGE).await?;
        let Some(moment) = moment else { return Ok(Walk::TooLong) };
        if page.iter().any(|change| change.changed_at > moment) {
            return Ok(Walk::Unsettled); // there may be transactions among them that were inserted later
        }
        let first = versions(&page);
        let (mut lowest, mut limit, mut is_deep) = (None, FIRST_PAGE, false);
        for _ in 0..MAX_PAGES_PER_REQUEST {
            let is_full = page.len() == limit;
            let known = page.iter().position(|change| horizon.is_some_and(|horizon| change.changed_at < horizon));
            page.truncate(known.unwrap_or(limit));
            let Some(changes) = all_at(page, moment) else { return Ok(Walk::Unsettled) };
            self.take_over(&changes).await?;
            lowest = changes.last().map(|change| change.id).or(lowest);
            if known.is_some() || !is_full {
                let walk = self.take_over_open(user, lowest, moment, is_deep).await?;
                return if is_deep && !self.is_still(user, &first, moment).await? {
                    Ok(Walk::Unsettled)
                } else {
                    Ok(walk)
                };
            }
            (limit, is_deep) = (PAGE, true);
            page = self.transactions.of_user(user, lowest, limit).await?.0;
        }
        Ok(Walk::TooLong)
    }

    /// Every transaction of `user` that was inserted before has a copy.
    async fn horizon(&self, user: UserId) -> Result<Option<DateTime<Utc>>, RunError> {
        let mut conn = self.reads.acquire().await?;
        let complete_to = sync_state::find(&mut conn).await?.and_then(|state| state.complete_to);
        let walked_to = summaries::find(&mut conn, user).await?.walked_to;
        Ok(complete_to.max(walked_to).map(|moment| moment - OVERLAP))
    }

    /// False if the newest transactions of `user` are others than `first` although they had changed by `moment`: a change shows
    /// when it is committed, which may be after the pages behind the first one were read.
    async fn is_still(&self, user: UserId, first: &HashSet<Version>, moment: DateTime<Utc>) -> Result<bool, RunError> {
        let (mut page, _) = self.transactions.of_user(user, None, FIRST_PAGE).await?;
        page.retain(|change| change.changed_at <= moment);
        Ok(versions(&page).is_subset(first))
    }

    /// The second part of a walk, below `below`.
    async fn take_over_open(
        &self,
        user: UserId,
        below: Option<TransactionId>,
        moment: DateTime<Utc>,
        is_deep: bool,
    ) -> Result<Walk, RunError> {
        let open = copies::open(&mut *self.reads.acquire().await?, user, below, MAX_OPEN + 1).await?;
        if open.len() > MAX_OPEN {
            return Ok(Walk::TooLong);
        }
        for ids in open.chunks(MAX_IDS) {
            let changes = self.transactions.batch(ids).await?;
            let Some(changes) = all_at(changes, moment) else { return Ok(Walk::Unsettled) };
            self.take_over(&changes).await?;
        }
        Ok(Walk::Complete { moment, is_deep })
    }
}

/// A transaction, and the version of it.
type Version = (TransactionId, i32);

fn versions(page: &[Change]) -> HashSet<Version> {
    page.iter().map(|change| (change.id, change.version)).collect()
}

pub(super) fn all_at(changes: impl IntoIterator<Item = Change>, moment: DateTime<Utc>) -> Option<Vec<Change>> {
    changes.into_iter().map(|change| at(change, moment)).collect()
}

/// A transaction that was inserted before `moment` as it was then, as far as totals depend on it; `None` if that is not
/// known.
fn at(change: Change, moment: DateTime<Utc>) -> Option<Change> {
    if change.changed_at <= moment {
        return Some(change);
    }
    match change.status {
        // how much of each share was paid is not known, and one that was scheduled may have been so then, and not have counted
        _ if change.has_moved_in_parts() || change.execute_at.is_some() || !change.shares.is_empty() => None,
        // it was open before as well
        Status::Processing | Status::Pending => Some(Change { changed_at: moment, ..change }),
        // a completed transaction changes only when it is deleted or refunded: if it is not, it was completed after the moment. One that
        // is cancelled never counts as completed. Both are taken for open, so that they are asked for again
        Status::Completed | Status::Cancelled if change.version > 1 && !change.is_deleted() => {
            let (status, version) = (Status::Pending, change.version - 1);
            Some(Change { status, version, changed_at: moment, captured_amount: None, settled_at: None, ..change })
        }
        Status::Completed | Status::Cancelled | Status::Failed | Status::Scheduled | Status::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use money::Amount;

    use super::*;

    fn moment(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn change(status: Status, changed_at: i64) -> Change {
        Change {
            id: 1.try_into().unwrap(),
            sender_id: 1.try_into().unwrap(),
            receiver_id: 2.try_into().unwrap(),
            amount: "1".parse::<Amount>().unwrap(),
            status,
            version: 4,
            created_at: moment(1),
            changed_at: moment(changed_at),
            hidden: false,
            counts_for_sender: true,
            counts_for_receiver: true,
            hidden_from_sender: false,
            hidden_from_receiver: false,
            captured_amount: None,
            refunded_amount: None,
            shares: Vec::new(),
            refund_of: None,
            execute_at: None,
            settled_at: None,
            description: None,
            reference: None,
        }
    }

    #[test]
    fn what_changed_after_the_moment_counts_as_it_was_then() {
        let known = |change| at(change, moment(10)).map(|change| (change.status, change.version, change.changed_at));
        for status in [Status::Processing, Status::Pending, Status::Completed, Status::Failed, Status::Cancelled] {
            assert_eq!(known(change(status, 10)), Some((status, 4, moment(10))), "{status:?}");
        }
        for status in [Status::Processing, Status::Pending] {
            assert_eq!(known(change(status, 11)), Some((status, 4, moment(10))), "{status:?}");
        }
        for status in [Status::Completed, Status::Cancelled] {
            assert_eq!(known(change(status, 11)), Some((Status::Pending, 3, moment(10))), "{status:?}");
            for deleted in [
                Change { hidden: true, ..change(status, 11) },
                Change { hidden_from_sender: true, ..change(status, 11) },
                Change { hidden_from_receiver: true, ..change(status, 11) },
            ] {
                assert_eq!(known(deleted), None, "it may have been {status:?} before it was deleted");
            }
        }
        for status in [Status::Scheduled, Status::Processing, Status::Completed] {
            let scheduled = |changed_at| Change { execute_at: Some(moment(5)), ..change(status, changed_at) };
            assert_eq!(known(scheduled(10)), Some((status, 4, moment(10))), "{status:?}");
            assert_eq!(known(scheduled(11)), None, "it may have been scheduled before");
        }
        let paid = Change { captured_amount: Some(1.into()), ..change(Status::Completed, 11) };
        assert_eq!(at(paid, moment(10)).unwrap().captured(), money::Money::ZERO, "it was paid after the moment");
        assert_eq!(known(change(Status::Failed, 11)), None, "it may have failed before it held any money");
    }
}
