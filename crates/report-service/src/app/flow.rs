//! What came in and went out, month by month.
//!
//! A transaction counts once it is settled, and by all that it has moved. Its entries do not say so, and its copy may be missing or
//! behind: whatever may have been open at the moment that the entries are of is asked for again. While transaction-service is away, the
//! chart is of the last run over all transactions: those that were settled then have all their entries, and a copy that says so.

use std::collections::HashSet;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use common::{Result, error::error_chain};
use money::{
    TransactionId,
    time::{day_of, midnight},
};

use super::sync::{OVERLAP, Sync};
use crate::{
    clients::MAX_IDS,
    codes,
    domain::{change::Status, chart::Month, entry::Whose},
    store::{
        flows::{self, Asked, Flow},
        sync_state,
    },
};

/// Months of a chart of money in and out.
const MONTHS: u32 = 12;
/// Transactions that a request asks for again.
const MAX_OPEN: usize = 5 * MAX_IDS;
/// Transactions that are looked at one by one.
const MAX_DOUBTFUL: usize = 50_000;
/// How long a transaction may move money, from its first entry to its last: longer than money may be held.
const LONGEST: TimeDelta = TimeDelta::days(367);

/// What is read for a chart, at one moment.
struct Found {
    flows: Vec<Flow>,
    /// All that was committed in the ledger before is in it.
    true_at: DateTime<Utc>,
    /// All that was committed in transaction-service before is in the copies.
    run_at: Option<DateTime<Utc>>,
}

impl Sync {
    /// What came in and went out in the last twelve months, that of `now` included, and before which moment all that was
    /// committed counts.
    pub async fn months(&self, whose: Whose, zone: Tz, now: DateTime<Utc>) -> Result<(Vec<Month>, DateTime<Utc>)> {
        let firsts = last_months(day_of(now, zone));
        let bounds: Vec<_> = firsts.iter().map(|first| midnight(*first, zone)).collect();
        self.must_have_existed(whose.user).await?;
        let Found { mut flows, true_at, run_at } = self.flows(whose, &bounds).await?;
        let is_open = |flow: &Flow| flow.transaction_id.is_some() && flow.status.is_none_or(Status::is_open);
        let open: Vec<TransactionId> =
            flows.iter().filter(|flow| is_open(flow)).filter_map(|flow| flow.transaction_id).collect();
        let (settled, moment) = match self.settled(&open, true_at).await {
            Ok(settled) => (settled, true_at),
            // what is settled by then is known to be, and of the rest nothing need count
            Err(error) => (HashSet::new(), true_at.min(run_at.ok_or(error)?)),
        };
        flows.retain(|flow| {
            let is_later = flow.settled_at.is_some_and(|settled| settled > true_at);
            if is_open(flow) { flow.transaction_id.is_some_and(|id| settled.contains(&id)) } else { !is_later }
        });
        let month = |(index, first): (i64, &NaiveDate)| {
            let of_month = || flows.iter().filter(|flow| flow.stretch == index);
            let money_in = of_month().map(|flow| flow.money_in).sum();
            let money_out = of_month().map(|flow| flow.money_out).sum();
            Month { first: *first, money_in, money_out }
        };
        Ok(((0..).zip(&firsts).take(MONTHS as usize).map(month).collect(), moment))
    }

    /// What came in and went out between `bounds`, without transactions that had begun before. 503 `overloaded` if too many of them would
    /// have to be looked at.
    async fn flows(&self, whose: Whose, bounds: &[DateTime<Utc>]) -> Result<Found> {
        let mut snapshot = self.entries(Some(whose.user)).await?;
        let (generation, true_at) = (snapshot.current.generation, snapshot.current.true_at);
        let first = bounds.first().copied().unwrap_or_default();
        // the clock of transaction-service may be another one than that of the ledger
        let created_from = first + OVERLAP;
        let asked = Asked { generation, whose, bounds, at: true_at, created_from };
        let mut flows = flows::flows(&mut snapshot, &asked, bounds.len() + MAX_DOUBTFUL).await?;
        let run_at = sync_state::find(&mut snapshot).await?.and_then(|state| state.true_at);
        if flows.len() >= bounds.len() + MAX_DOUBTFUL {
            return Err(codes::OVERLOADED.into());
        }
        let is_old = |flow: &&Flow| flow.created_at.is_none_or(|created_at| created_at < created_from);
        let old = || flows.iter().filter(|flow| flow.transaction_id.is_some()).filter(is_old);
        let oldest = old().map(|flow| flow.created_at.map_or(DateTime::UNIX_EPOCH, |at| at - OVERLAP)).min();
        let from = oldest.unwrap_or(first).max(first - LONGEST);
        let old: Vec<TransactionId> = old().filter_map(|flow| flow.transaction_id).collect();
        let earlier = flows::moved(&mut snapshot, &asked, (from, first), &old).await?;
        flows.retain(|flow| flow.transaction_id.is_none_or(|id| !earlier.contains(&id)));
        Ok(Found { flows, true_at, run_at })
    }

    /// Those of `transactions` that were settled at a moment, or that transaction-service does not know.
    async fn settled(&self, transactions: &[TransactionId], at: DateTime<Utc>) -> Result<HashSet<TransactionId>> {
        if transactions.len() > MAX_OPEN {
            return Err(codes::OVERLOADED.into());
        }
        let mut settled: HashSet<TransactionId> = transactions.iter().copied().collect();
        for ids in transactions.chunks(MAX_IDS) {
            let changes = self.transactions.batch(ids).await.inspect_err(|error| {
                tracing::warn!(error = error_chain(error), "answering from the copy");
            })?;
            self.take_over(&changes).await?;
            for change in changes.iter().filter(|change| change.ended_at().is_none_or(|ended| ended > at)) {
                settled.remove(&change.id);
            }
        }
        Ok(settled)
    }
}

/// The first days of the last months, the oldest first, and that of the next month.
fn last_months(today: NaiveDate) -> Vec<NaiveDate> {
    let first = today - Days::new(u64::from(today.day0()));
    let oldest = first - Months::new(MONTHS - 1);
    (0..=MONTHS).map(|index| oldest + Months::new(index)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_months_end_with_this_one() {
        let months = last_months("2026-01-31".parse().unwrap());
        assert_eq!(months.len(), 13);
        assert_eq!((months[0].to_string(), months[12].to_string()), ("2025-02-01".into(), "2026-02-01".into()));
    }
}
