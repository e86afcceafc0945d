//! The period of a statement or a chart.

use chrono::{DateTime, Datelike, Months, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use money::time::{Bound, LAST_YEAR, day_of};

/// The most calendar years that a period may have.
const MAX_YEARS: u32 = 10;

/// From when until when, with the time zone that its days are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosedPeriod {
    /// It begins with this moment.
    pub from: DateTime<Utc>,
    /// It ends before this moment.
    pub to: DateTime<Utc>,
    /// Where its days begin.
    pub zone: Tz,
}

/// What is wrong with a period: a phrase that follows the name of its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPeriod {
    /// It would end before it begins.
    #[error("must not be before from")]
    Backwards,
    /// Its last day is not over when the last year ends that a moment may have.
    #[error("must end before the year 10000 begins in UTC")]
    TooLate,
    /// It has more than ten calendar years.
    #[error("must be at most ten years after from")]
    TooLong,
}

impl ClosedPeriod {
    /// The period from one bound to the other. Two dates are compared as dates, so that the day before `from` is refused although it
    /// ends when `from` begins.
    pub fn between(from: Bound, to: Bound, zone: Tz) -> Result<Self, InvalidPeriod> {
        let period = Self { from: from.begin(zone), to: to.end(zone), zone };
        let is_backwards = match (from, to) {
            (Bound::Day(from), Bound::Day(to)) => from > to,
            _ => period.from > period.to,
        };
        if is_backwards {
            return Err(InvalidPeriod::Backwards);
        }
        if period.to.year() > LAST_YEAR {
            return Err(InvalidPeriod::TooLate);
        }
        if period.to > period.latest_end() { Err(InvalidPeriod::TooLong) } else { Ok(period) }
    }

    /// As many years as a period may have, up to the end of the day of `now`.
    pub fn longest_until(now: DateTime<Utc>, zone: Tz) -> Self {
        let today = day_of(now, zone);
        let first = today.checked_sub_months(Months::new(12 * MAX_YEARS)).unwrap_or(NaiveDate::MIN);
        let (first, after) = (first.succ_opt().unwrap_or(first), today.succ_opt().unwrap_or(today));
        Self { from: money::time::midnight(first, zone), to: money::time::midnight(after, zone), zone }
    }

    /// When it would end if it had as many years as it may.
    fn latest_end(&self) -> DateTime<Utc> {
        let first = day_of(self.from, self.zone);
        let since_midnight = self.from - money::time::midnight(first, self.zone);
        let later = first.checked_add_months(Months::new(12 * MAX_YEARS)).unwrap_or(NaiveDate::MAX);
        // the tenth 29 February is the first of March
        let last = if later.day() < first.day() { later.succ_opt().unwrap_or(later) } else { later };
        money::time::midnight(last, self.zone) + since_midnight
    }

    /// Its first day.
    pub fn first_day(&self) -> NaiveDate {
        day_of(self.from, self.zone)
    }

    /// The last day of which something belongs to it; its first day if it is empty.
    pub fn last_day(&self) -> NaiveDate {
        day_of((self.to - TimeDelta::microseconds(1)).max(self.from), self.zone)
    }

    /// True if it consists of whole days.
    pub fn is_whole_days(&self) -> bool {
        let begins_a_day = |moment| money::time::midnight(day_of(moment, self.zone), self.zone) == moment;
        self.from < self.to && begins_a_day(self.from) && begins_a_day(self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(from: &str, to: &str) -> Result<ClosedPeriod, InvalidPeriod> {
        let bound = |text: &str| serde_json::from_value(text.into()).unwrap();
        ClosedPeriod::between(bound(from), bound(to), Tz::Asia__Jakarta)
    }

    #[test]
    fn dates_are_compared_as_dates_and_the_last_one_belongs_to_it() {
        let november = period("2026-11-01", "2026-11-30").unwrap();
        assert_eq!(november.from.to_rfc3339(), "2026-10-31T17:00:00+00:00");
        assert_eq!(november.to.to_rfc3339(), "2026-11-30T17:00:00+00:00");
        assert_eq!((november.first_day().day(), november.last_day().day()), (1, 30));
        assert!(november.is_whole_days());
        assert!(period("2026-11-30", "2026-11-30").unwrap().is_whole_days());
        assert_eq!(period("2026-12-01", "2026-11-30"), Err(InvalidPeriod::Backwards));
    }

    #[test]
    fn equal_moments_are_an_empty_period() {
        let empty = period("2026-11-30T00:00:00Z", "2026-11-30T07:00:00+07:00").unwrap();
        assert_eq!(empty.from, empty.to);
        assert!(!empty.is_whole_days());
        assert_eq!(empty.last_day(), empty.first_day());
        assert_eq!(period("2026-11-30T00:00:01Z", "2026-11-30T00:00:00Z"), Err(InvalidPeriod::Backwards));
    }

    #[test]
    fn the_longest_is_no_longer_than_one_may_be() {
        for now in ["2026-11-27T10:00:00Z", "2024-02-29T10:00:00Z", "2026-12-31T23:59:59Z"] {
            let longest = ClosedPeriod::longest_until(now.parse().unwrap(), Tz::Asia__Jakarta);
            assert!(longest.is_whole_days());
            let (first, last) = (longest.first_day().to_string(), longest.last_day().to_string());
            assert_eq!(period(&first, &last), Ok(longest), "{first} {last}");
        }
    }

    #[test]
    fn the_last_day_of_the_last_year_must_be_over_in_that_year() {
        let bound = |text: &str| serde_json::from_value::<Bound>(text.into()).unwrap();
        let until = |to: &str, zone: Tz| ClosedPeriod::between(bound("9999-01-01"), bound(to), zone).map(|_| ());
        assert_eq!(until("9999-12-31", Tz::Asia__Jakarta), Ok(()));
        for zone in [Tz::UTC, Tz::America__New_York] {
            assert_eq!(until("9999-12-31", zone), Err(InvalidPeriod::TooLate), "{zone}");
            assert_eq!(until("9999-12-31T23:59:59Z", zone), Ok(()), "{zone}");
            assert_eq!(until("9999-12-30", zone), Ok(()), "{zone}");
        }
    }

    #[test]
    fn ten_calendar_years_are_the_most() {
        for (from, to) in [
            ("2016-11-01", "2026-10-31"),
            ("2016-02-29", "2026-02-28"),
            ("2016-11-01T10:00:00Z", "2026-11-01T10:00:00Z"),
            ("9998-01-01", "9999-12-31"),
        ] {
            assert!(period(from, to).is_ok(), "{from} {to}");
        }
        for (from, to) in [
            ("2016-11-01", "2026-11-01"),
            ("2016-02-29", "2026-03-01"),
            ("2016-11-01T10:00:00Z", "2026-11-01T10:00:01Z"),
            ("1000-01-01", "9999-12-31"),
        ] {
            assert_eq!(period(from, to), Err(InvalidPeriod::TooLong), "{from} {to}");
        }
    }
}
