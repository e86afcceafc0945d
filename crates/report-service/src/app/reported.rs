//! A page of a user's reports, each with its transaction as it stands.
//!
//! What is settled stays so, so only the open transactions on the page are asked for again, all at one moment.

use std::collections::HashMap;

use common::{Result, error::error_chain, reads::USER_LOCK_TIMEOUT};
use fault::point;
use money::{TransactionId, UserId};
use tokio::time::timeout;

use super::sync::Sync;
use crate::{
    codes,
    domain::change::{AsOf, Status},
    store::{
        reports as store,
        reports::{Asked, ReportedTransaction},
        summaries, sync_state,
    },
};

/// A page of reports.
#[derive(Debug)]
pub struct Reported {
    /// How many reports the user has.
    pub total: i64,
    pub reports: Vec<ReportedTransaction>,
}

impl Sync {
    /// The reports of `user` on a page, newest first; and when the transactions stood like that, if it was not during the request. 503 if that is not known.
    pub async fn reports(&self, user: UserId, asked: Asked) -> Result<AsOf<Reported>> {
        let _lock = timeout(USER_LOCK_TIMEOUT, self.locks.lock(user)).await.map_err(|_| codes::OVERLOADED)?;
        self.mark(user).await?;
        let mut page = self.page(user, asked).await?;
        let open: Vec<TransactionId> =
            page.reports.iter().filter(|report| report.status.is_open()).map(|report| report.transaction_id).collect();
        if open.is_empty() {
            return Ok((page, None));
        }
        match self.transactions.batch(&open).await {
            Ok(changes) => {
                self.take_over(&changes).await?;
                let now: HashMap<TransactionId, Status> = changes.iter().map(|c| (c.id, c.status)).collect();
                for report in &mut page.reports {
                    report.status = now.get(&report.transaction_id).copied().unwrap_or(report.status);
                }
                Ok((page, None))
            }
            Err(error) => {
                tracing::warn!(error = error_chain(&error), "answering from the copy");
                Ok(self.reports_from_the_copy(user, asked).await?.ok_or(error)?)
            }
        }
    }

    /// `None` if the copies have not been exactly true at any known moment.
    async fn reports_from_the_copy(&self, user: UserId, asked: Asked) -> Result<Option<AsOf<Reported>>> {
        let before = self.known(user).await?;
        let page = self.page(user, asked).await?;
        let (changed_to, true_at) = self.known(user).await?;
        if before.0 != changed_to {
            return Err(codes::OVERLOADED.into()); // changes were taken over while the page was read
        }
        Ok(true_at.map(|moment| (page, Some(moment))))
    }

    /// The newest change that the copies of a user's transactions know, and when they were exactly true.
    async fn known(&self, user: UserId) -> Result<AsOf<Option<chrono::DateTime<chrono::Utc>>>> {
        let mut conn = self.reads.acquire().await?;
        let run_at = sync_state::find(&mut conn).await?.and_then(|state| state.true_at);
        let summary = summaries::find(&mut conn, user).await?;
        Ok((summary.changed_to, summary.true_at(run_at)))
    }

    async fn page(&self, user: UserId, asked: Asked) -> Result<Reported> {
        let page = store::page(&mut *self.reads.acquire().await?, user, asked).await?;
        let (total, reports) = page.ok_or(codes::OVERLOADED)?;
        Ok(Reported { total, reports })
    }

    /// Marks the user's reports as far as they are old enough.
    async fn mark(&self, user: UserId) -> Result<()> {
        let marks = store::missing_marks(&mut *self.reads.acquire().await?, user).await?;
        if marks.is_empty() {
            return Ok(());
        }
        mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.pool, point!("reports.mark")).await?;
            store::set_marks(tx.conn().await?, user, &marks).await?;
            tx.commit().await
        })
        .await?;
        Ok(())
    }
}
