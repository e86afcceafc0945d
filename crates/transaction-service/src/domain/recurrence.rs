//! On which dates a schedule runs. Each date is computed from the first one and a count, never from the date before it: so what runs
//! on the 31st falls on the last day of a short month, and on the 31st again after it.

use chrono::{Datelike, Days, Months, NaiveDate};
use money::time::LAST_YEAR;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How often a schedule runs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::EnumString, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Every {
    /// Each day.
    Day,
    /// Each week, on the weekday of the start.
    Week,
    /// Each month, on the day of the start, or the last one of a month that has no such day.
    Month,
}

mysql::stored_as_text!(Every);

/// The days of a week.
const WEEK: u32 = 7;
/// The months of a year.
const YEAR: i64 = 12;

/// The dates on which a schedule runs, numbered from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recurrence {
    /// How often.
    pub every: Every,
    /// The date with the number 0.
    pub start: NaiveDate,
    /// The last day on which it may run; `None` if there is no end.
    pub end: Option<NaiveDate>,
}

impl Recurrence {
    /// The date with this number; `None` if that is after the end, or after the last year that there is.
    pub fn date(&self, number: u32) -> Option<NaiveDate> {
        let date = match self.every {
            Every::Day => self.start.checked_add_days(Days::new(number.into())),
            Every::Week => self.start.checked_add_days(Days::new(u64::from(WEEK) * u64::from(number))),
            // the last day of a month that is too short
            Every::Month => self.start.checked_add_months(Months::new(number)),
        }?;
        (date.year() <= LAST_YEAR && self.end.is_none_or(|end| date <= end)).then_some(date)
    }

    /// The dates from this number on, to the end.
    pub fn dates(&self, from: u32) -> impl Iterator<Item = NaiveDate> {
        let recurrence = *self;
        (from..).map_while(move |number| recurrence.date(number))
    }

    /// The number of the first date after `day`, whether or not the end comes before it.
    pub fn first_after(&self, day: NaiveDate) -> u32 {
        if day < self.start {
            return 0;
        }
        let days = (day - self.start).num_days();
        let number = match self.every {
            Every::Day => days + 1,
            Every::Week => days / i64::from(WEEK) + 1,
            Every::Month => {
                let months = month(day) - month(self.start);
                let endless = Self { end: None, ..*self };
                let this_month = u32::try_from(months).ok().and_then(|months| endless.date(months));
                months + i64::from(this_month.is_none_or(|date| date <= day))
            }
        };
        u32::try_from(number).unwrap_or(u32::MAX)
    }
}

/// The month of a day, counted through the years.
fn month(day: NaiveDate) -> i64 {
    i64::from(day.year()) * YEAR + i64::from(day.month0())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn endless(every: Every, start: &str) -> Recurrence {
        Recurrence { every, start: day(start), end: None }
    }

    fn shown(recurrence: &Recurrence, count: usize) -> Vec<String> {
        recurrence.dates(0).take(count).map(|date| date.to_string()).collect()
    }

    #[test]
    fn the_31st_falls_on_the_last_day_of_a_short_month_and_comes_back() {
        let monthly = endless(Every::Month, "2027-12-31");
        assert_eq!(
            shown(&monthly, 7),
            ["2027-12-31", "2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30", "2028-05-31", "2028-06-30"]
        );
        let leap_day = endless(Every::Month, "2028-02-29");
        assert_eq!(leap_day.date(12), Some(day("2029-02-28")));
        assert_eq!(leap_day.date(48), Some(day("2032-02-29")));
        assert_eq!(shown(&endless(Every::Week, "2026-12-28"), 3), ["2026-12-28", "2027-01-04", "2027-01-11"]);
        assert_eq!(shown(&endless(Every::Day, "2028-02-28"), 3), ["2028-02-28", "2028-02-29", "2028-03-01"]);
    }

    #[test]
    fn the_end_is_inclusive_and_no_date_is_beyond_what_can_be_stored() {
        let until = |end: &str| Recurrence { end: Some(day(end)), ..endless(Every::Month, "2026-12-31") };
        assert_eq!(shown(&until("2027-02-28"), 9), ["2026-12-31", "2027-01-31", "2027-02-28"]);
        assert_eq!(shown(&until("2027-02-27"), 9), ["2026-12-31", "2027-01-31"]);
        for every in [Every::Day, Every::Week, Every::Month] {
            assert_eq!(shown(&endless(every, "9999-12-31"), 9), ["9999-12-31"]);
            assert_eq!(endless(every, "2026-12-31").date(u32::MAX), None);
        }
    }

    #[test]
    fn every_month_of_four_centuries_has_one_date_on_its_day_or_its_last() {
        for start in ["2026-01-28", "2026-01-29", "2026-01-30", "2026-01-31"] {
            let monthly = endless(Every::Month, start);
            for (number, date) in (0..).zip(monthly.dates(0).take(4_800)) {
                assert_eq!(month(date) - month(monthly.start), number, "no month is left out");
                let last = (28..=31).rev().find_map(|day| date.with_day(day)).unwrap();
                assert_eq!(date.day(), monthly.start.day().min(last.day()), "{date}");
            }
        }
    }

    fn recurrence() -> impl Strategy<Value = Recurrence> {
        let every = prop_oneof![Just(Every::Day), Just(Every::Week), Just(Every::Month)];
        (every, 0_u64..150_000).prop_map(|(every, days)| Recurrence {
            every,
            start: day("1990-01-01") + Days::new(days),
            end: None,
        })
    }

    proptest! {
        #[test]
        fn dates_rise_and_the_first_after_a_day_is_the_first(recurrence in recurrence(), number in 0_u32..3_000, off in 0_u64..400) {
            let date = recurrence.date(number).unwrap();
            let next = recurrence.date(number + 1).unwrap();
            prop_assert!(date < next);
            prop_assert_eq!(recurrence.first_after(date), number + 1);
            prop_assert_eq!(recurrence.first_after(next.pred_opt().unwrap()), number + 1);
            let day = date + Days::new(off);
            let first = recurrence.first_after(day);
            prop_assert!(recurrence.date(first).unwrap() > day);
            prop_assert!(first == 0 || recurrence.date(first - 1).unwrap() <= day);
            prop_assert_eq!(recurrence.first_after(recurrence.start.pred_opt().unwrap()), 0);
        }
    }
}
