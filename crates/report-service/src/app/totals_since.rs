//! The totals of an account whose number somebody else had before. After a backup of user-service was restored, a new account may get the
//! number of one that was opened after that backup. The totals of a number are of both, so those of the new account alone are counted anew
//! from its own transactions: they are the newer ones, and few.

use chrono::{DateTime, Utc};
use common::Result;
use money::UserId;

use super::{
    refresh::{ATTEMPTS, MAX_PAGES_PER_REQUEST, all_at},
    sync::{Sync, Told},
};
use crate::{
    clients::PAGE,
    codes,
    domain::change::Change,
    store::{
        copies,
        summaries::{self, Totals},
    },
};

impl Sync {
    /// The totals of a user, as [`Sync::totals`] gives them, without what was created before `since`.
    pub async fn totals_since(&self, user: UserId, since: Option<DateTime<Utc>>) -> Result<Told> {
        let told = self.totals(user).await?;
        let Some(since) = since.filter(|_| told.totals.total_transactions > 0) else { return Ok(told) };
        if !summaries::has_older(&mut *self.reads.acquire().await?, user, since).await? {
            return Ok(told);
        }
        for _ in 0..ATTEMPTS {
            if let Some(told) = self.counted_anew(user, since).await? {
                return Ok(told);
            }
        }
        Err(codes::OVERLOADED.into())
    }

    /// `None` if there are too many to be counted, or if something changed meanwhile, and it is not known what it was before.
    async fn counted_anew(&self, user: UserId, since: DateTime<Utc>) -> Result<Option<Told>> {
        let (mut page, moment) = self.transactions.of_user(user, None, PAGE).await?;
        let Some(moment) = moment else { return Ok(None) };
        let mut counted: Vec<Change> = Vec::new();
        for _ in 0..MAX_PAGES_PER_REQUEST {
            let (oldest, is_full) = (page.last().map(|change| (change.id, change.created_at)), page.len() == PAGE);
            page.retain(|change| change.created_at >= since);
            let Some(changes) = all_at(page, moment) else { return Ok(None) };
            counted.extend(changes);
            match oldest {
                Some((oldest, created_at)) if is_full && created_at >= since => {
                    page = self.transactions.of_user(user, Some(oldest), PAGE).await?.0;
                }
                _ => {
                    let delta = copies::count(&counted).0.remove(&user).unwrap_or_default();
                    let totals = Totals {
                        total_transactions: delta.transactions,
                        total_spent: delta.spent,
                        total_received: delta.received,
                        last_transaction: delta.last,
                    };
                    return Ok(Some(Told { totals, moment }));
                }
            }
        }
        Ok(None)
    }
}
