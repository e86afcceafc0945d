//! What charts show.

use chrono::{DateTime, Days, Utc};
use chrono_tz::Tz;
use common::Result;
use money::time::{day_of, midnight};

use super::sync::Sync;
use crate::{
    domain::{chart::Balances, entry::Whose, period::ClosedPeriod},
    store::entries,
};

/// Points of a chart of a balance at most, but for the first one: there is room for no more.
const MOST_POINTS: usize = 120;
/// Days of a chart of a balance, if nobody says which.
const DAYS: u64 = 30;

impl Sync {
    /// A balance over a period, and before which moment all that was committed in the ledger counts.
    pub async fn balances(&self, whose: Whose, period: ClosedPeriod) -> Result<(Balances, DateTime<Utc>)> {
        self.must_have_existed(whose.user).await?;
        let mut snapshot = self.entries(Some(whose.user)).await?;
        let current = snapshot.current;
        let balances = entries::balances_before(&mut snapshot, current.generation, whose, &moments(&period)).await?;
        let (first, last) = (period.first_day(), period.last_day());
        Ok((Balances { first, last, balances }, current.true_at))
    }
}

/// The days that end with the one of `now`.
pub fn last_days(now: DateTime<Utc>, zone: Tz) -> ClosedPeriod {
    let today = day_of(now, zone);
    let (first, next) = (today - Days::new(DAYS - 1), today + Days::new(1));
    ClosedPeriod { from: midnight(first, zone), to: midnight(next, zone), zone }
}

/// The moments at which a balance is looked at: those between stretches of whole days, and the ends of the period.
fn moments(period: &ClosedPeriod) -> Vec<DateTime<Utc>> {
    let days = usize::try_from((period.last_day() - period.first_day()).num_days()).unwrap_or_default() + 1;
    let step = days.div_ceil(MOST_POINTS);
    let later = period.first_day().iter_days().step_by(step).skip(1);
    let inner = later.map(|day| midnight(day, period.zone)).take_while(|moment| *moment < period.to);
    [period.from].into_iter().chain(inner).chain([period.to]).collect()
}

#[cfg(test)]
mod tests {
    use money::time::Bound;

    use super::*;

    fn period(from: &str, to: &str) -> ClosedPeriod {
        let bound = |text: &str| serde_json::from_value::<Bound>(text.into()).unwrap();
        ClosedPeriod::between(bound(from), bound(to), Tz::Asia__Jakarta).unwrap()
    }

    #[test]
    fn a_balance_is_looked_at_after_each_day_or_after_some_of_a_longer_period() {
        let days = moments(&period("2026-11-01", "2026-11-30"));
        assert_eq!(days.len(), 31);
        assert_eq!(days[1].to_rfc3339(), "2026-11-01T17:00:00+00:00");
        assert_eq!(moments(&period("2026-11-01T10:00:00Z", "2026-11-01T11:00:00Z")).len(), 2);
        let decade = moments(&period("2016-12-01", "2026-11-30"));
        assert!((100..=MOST_POINTS + 1).contains(&decade.len()), "{}", decade.len());
        assert!(decade.is_sorted());
    }
}
