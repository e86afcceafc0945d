//! The overview of all transactions, and of what all accounts have.
//!
//! Runs of the feed count what they take over, by the day of its creation ([`super::run`]), also what requests have taken over before. A request first does such a run itself, as
//! far as it may, and what it answers includes whatever was committed when the last complete run began.

use std::time::Instant;

use chrono::{DateTime, NaiveDate, Utc};
use common::{ApiError, Result, error::error_chain, reads::USER_LOCK_TIMEOUT};
use fault::point;
use tokio::time::timeout;

use super::sync::{RunError, Sync};
use crate::{
    codes,
    domain::{
        overview::WalletTotals,
        settle_time::{SettleTimes, stretches},
    },
    store::{
        overview::{self, DayRow},
        sync_state,
    },
};

/// Pages that a request takes over: 10,000 changes. If there are more, it answers as of the last complete run.
const MAX_PAGES_PER_REQUEST: usize = 20;

/// What is known of some days.
#[derive(Debug)]
pub struct Overview {
    /// What was created, by day and status.
    pub days: Vec<DayRow>,
    pub settle_times: SettleTimes,
    pub wallet: WalletTotals,
    /// Whatever was committed before is counted.
    pub true_at: DateTime<Utc>,
}

impl Sync {
    /// What was created from the `first` day to the `last`, after what is new was taken over. If a source is away it is what was
    /// known last; 503 if nothing is.
    pub async fn overview(&self, first: NaiveDate, last: NaiveDate) -> Result<Overview> {
        let run = self.run_for_overview().await;
        let cause =
            run.inspect_err(|error| tracing::warn!(error = error_chain(error), "answering from the copy")).err();
        let wallet = self.wallet_totals().await?;
        let mut conn = self.reads.acquire().await?;
        let state = sync_state::find(&mut conn).await?.filter(|state| state.is_of(self.zone));
        let unknown = || cause.map_or_else(|| ApiError::new(codes::OVERLOADED), ApiError::from);
        let run_at = state.and_then(|state| state.true_at).ok_or_else(unknown)?;
        let days = overview::days(&mut conn, first, last).await?;
        let settle_times = overview::settle_times(&mut conn, &stretches(first, last)).await?;
        Ok(Overview { days, settle_times, wallet, true_at: run_at.min(wallet.true_at) })
    }

    /// Takes over what is new, if that is not too much. Requests that wait for each other share a run.
    async fn run_for_overview(&self) -> Result<(), RunError> {
        let asked = Instant::now();
        let Ok(mut last) = timeout(USER_LOCK_TIMEOUT, self.overview_run.lock()).await else { return Ok(()) };
        if last.is_some_and(|begun| begun >= asked) {
            return Ok(());
        }
        let begun = Instant::now();
        let mut run = self.run_from_the_last().await?;
        for _ in 0..MAX_PAGES_PER_REQUEST {
            let page = self.transactions.changes(run.position).await?;
            self.take_over_page(run, &page).await?;
            let Some(next) = run.after(&page) else {
                *last = Some(begun);
                break;
            };
            run = next;
        }
        Ok(())
    }

    /// What all accounts have together, or had when user-service was asked last.
    async fn wallet_totals(&self) -> Result<WalletTotals> {
        let told = self.users.totals().await; // no connection is kept during a call
        let kept = overview::wallet_totals(&mut *self.reads.acquire().await?).await?;
        match told {
            Ok(Some(totals)) => {
                if kept.is_none_or(|kept| kept.true_at < totals.true_at) {
                    mysql::retry(|_| async {
                        let mut tx = mysql::begin(&self.pool, point!("overview.wallet")).await?;
                        overview::keep_wallet_totals(&mut tx, totals);
                        tx.commit().await
                    })
                    .await?;
                }
                Ok(totals)
            }
            Ok(None) => kept.ok_or_else(|| codes::OVERLOADED.into()),
            Err(error) => {
                tracing::warn!(error = error_chain(&error), "answering what all accounts had");
                kept.ok_or_else(|| error.into())
            }
        }
    }
}
