//! What a transaction adds to the overview of all of them. Pure arithmetic.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use money::{Money, time::day_of};
use serde::{Deserialize, Serialize};

use super::{
    change::{Change, Status},
    settle_time::{Bucket, Span, bucket},
};

/// What of a transaction is in the overview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Counted {
    /// The version that is counted.
    pub version: i32,
    /// The day on which it was created.
    pub day: NaiveDate,
    pub status: Status,
    /// What it has paid, less what has gone back of that; a refund has none of its own.
    pub volume: Money,
    /// Microseconds from when it began until it was settled, if that is known.
    pub settle_micros: Option<i64>,
}

/// The same in the order of its fields: each transaction has one of these in its copy, so it is short.
type Written = (i32, NaiveDate, Status, Money, Option<i64>);

impl From<Written> for Counted {
    fn from((version, day, status, volume, settle_micros): Written) -> Self {
        Self { version, day, status, volume, settle_micros }
    }
}

impl From<Counted> for Written {
    fn from(Counted { version, day, status, volume, settle_micros }: Counted) -> Self {
        (version, day, status, volume, settle_micros)
    }
}

impl Counted {
    /// A transaction as it counts, if days are those of `zone`.
    pub fn of(change: &Change, zone: Tz) -> Self {
        let refunded = change.refunded_amount.unwrap_or_default();
        // one that was to begin later is no slower for that
        let began = change.execute_at.unwrap_or(change.created_at).max(change.created_at);
        let took = change.settled_at.map(|settled| (settled - began).num_microseconds().unwrap_or(i64::MAX));
        Self {
            version: change.version,
            day: day_of(change.created_at, zone),
            status: change.status,
            volume: if change.refund_of.is_some() { Money::ZERO } else { change.captured() - refunded },
            settle_micros: took.map(|micros| micros.max(0)),
        }
    }

    /// True if `change` counts otherwise: it is newer, or its day is another one because the time zone is.
    pub fn is_behind(&self, change: &Change, zone: Tz) -> bool {
        let is_other_day = self.day != day_of(change.created_at, zone);
        self.version < change.version || (self.version == change.version && is_other_day)
    }
}

/// By how much the counts of a day and a status change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DayDelta {
    pub transactions: i64,
    pub volume: Money,
    pub settled: i64,
    pub settle_micros: i64,
}

/// Changes of the overview.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OverviewDeltas {
    pub days: BTreeMap<(NaiveDate, &'static str), DayDelta>,
    pub settle_times: BTreeMap<(Span, NaiveDate, Bucket), i64>,
}

impl OverviewDeltas {
    /// Counts a transaction, of which `before` was counted so far.
    pub fn add(&mut self, before: Option<&Counted>, after: &Counted) {
        if let Some(before) = before {
            self.count(before, -1);
        }
        self.count(after, 1);
    }

    /// Without what does not change.
    #[must_use]
    pub fn changes(mut self) -> Self {
        self.days.retain(|_, delta| *delta != DayDelta::default());
        self.settle_times.retain(|_, count| *count != 0);
        self
    }

    fn count(&mut self, counted: &Counted, sign: i64) {
        let Counted { day, status, volume, settle_micros, .. } = *counted;
        let delta = self.days.entry((day, status.into())).or_default();
        delta.transactions += sign;
        delta.volume = if sign < 0 { delta.volume - volume } else { delta.volume + volume };
        if let Some(micros) = settle_micros {
            delta.settled += sign;
            delta.settle_micros += sign * micros;
            for span in [Span::Day, Span::Month] {
                *self.settle_times.entry((span, span.of(day), bucket(micros))).or_default() += sign;
            }
        }
    }
}

/// What all accounts had together.
#[derive(Debug, Clone, Copy)]
pub struct WalletTotals {
    pub users: i64,
    pub money: Money,
    /// When, on the clock of user-service's database.
    pub true_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counted(version: i32, amount: i64, settle_micros: Option<i64>) -> Counted {
        let status = if settle_micros.is_some() { Status::Completed } else { Status::Pending };
        let day = "2026-11-26".parse().unwrap();
        Counted { version, day, status, volume: amount.into(), settle_micros }
    }

    #[test]
    fn what_is_written_down_is_read_again() {
        for counted in [counted(1, 0, None), counted(i32::MAX, 999_999_999_999_999, Some(i64::MAX))] {
            let text = serde_json::to_string(&counted).unwrap();
            assert!(text.len() <= 80, "it fits into its column: {text}");
            assert_eq!(serde_json::from_str::<Counted>(&text).unwrap(), counted);
        }
    }

    proptest! {
        #[test]
        fn any_way_to_a_state_counts_like_the_state_itself(
            path in prop::collection::vec((0_i64..5, prop::option::of(0_i64..5_000_000)), 1..8)
        ) {
            let (mut stepwise, mut direct) = (OverviewDeltas::default(), OverviewDeltas::default());
            let mut before: Option<Counted> = None;
            for (version, (amount, micros)) in (1..).zip(path) {
                let after = counted(version, amount, micros);
                stepwise.add(before.as_ref(), &after);
                before = Some(after);
            }
            direct.add(None, &before.unwrap());
            prop_assert_eq!(stepwise.changes(), direct.changes());
        }
    }
}
