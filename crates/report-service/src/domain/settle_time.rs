//! How long transactions took to settle, kept as counts of about as long ones. Pure.
//!
//! A bucket holds times that differ by an eighth at most: each power of two has [`PARTS`] of them. What is read from them is the end of
//! a bucket, so it is the true time or at most an eighth above. Whatever is below [`SHORTEST`] is in the first one.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, Months, NaiveDate};

/// Where the first bucket ends, in microseconds, as a power of two: about a millisecond.
const SHORTEST: u32 = 10;
/// The buckets of a power of two, as a power of two.
const PARTS: u32 = 3;

/// The number of a bucket.
pub type Bucket = i16;

/// The bucket of `micros`.
pub fn bucket(micros: i64) -> Bucket {
    let micros = u64::try_from(micros).unwrap_or_default();
    let Some(power) = micros.checked_ilog2().filter(|power| *power >= SHORTEST) else { return 0 };
    let part = (micros >> (power - PARTS)) & ((1 << PARTS) - 1);
    let number = (u64::from(power - SHORTEST) << PARTS) + part + 1;
    Bucket::try_from(number).expect("there are fewer than 500")
}

/// Where `bucket` ends, in microseconds.
fn end(bucket: Bucket) -> i64 {
    let Some(number) = u32::try_from(bucket).ok().and_then(|bucket| bucket.checked_sub(1)) else {
        return 1 << SHORTEST;
    };
    let (power, part) = (SHORTEST + (number >> PARTS), number & ((1 << PARTS) - 1));
    i64::from((1 << PARTS) + part + 1).checked_shl(power - PARTS).unwrap_or(i64::MAX)
}

/// How many transactions took about so long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettleTimes(pub BTreeMap<Bucket, i64>);

impl SettleTimes {
    /// Adds `count` of them to a bucket.
    pub fn add(&mut self, bucket: Bucket, count: i64) {
        *self.0.entry(bucket).or_default() += count;
    }

    /// The time within which so many of a hundred were settled, in microseconds; `None` if nothing was.
    pub fn percentile(&self, percent: i64) -> Option<i64> {
        let all: i64 = self.0.values().sum();
        // rounded up
        let wanted = (all * percent + 99) / 100;
        let mut counted = 0;
        let reached = self.0.iter().find(|(_, count)| {
            counted += **count;
            counted >= wanted
        });
        reached.map(|(bucket, _)| end(*bucket))
    }
}

/// For what a count is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Span {
    Day,
    /// A month, by its first day: so a long period is answered from few rows.
    Month,
}

impl Span {
    /// The one that `day` is in, by its first day.
    pub fn of(self, day: NaiveDate) -> NaiveDate {
        match self {
            Self::Day => day,
            Self::Month => day.with_day(1).expect("every month has a first day"),
        }
    }
}

/// Spans that follow each other: those that start on `from` or later, and before `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    pub span: Span,
    pub from: NaiveDate,
    pub to: NaiveDate,
}

/// The spans that make up the days from `first` to `last`: whole months, and the days at both ends.
pub fn stretches(first: NaiveDate, last: NaiveDate) -> Vec<Stretch> {
    let after = last.checked_add_days(Days::new(1)).unwrap_or(last);
    let month = Span::Month.of(first);
    let next = month.checked_add_months(Months::new(1)).unwrap_or(month);
    let (begin, end) = (if month == first { first } else { next }, Span::Month.of(after));
    if begin >= end {
        return vec![Stretch { span: Span::Day, from: first, to: after }];
    }
    let stretches = [(Span::Day, first, begin), (Span::Month, begin, end), (Span::Day, end, after)];
    stretches.into_iter().filter(|(_, from, to)| from < to).map(|(span, from, to)| Stretch { span, from, to }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_percentile_is_the_time_of_the_one_that_completes_so_many() {
        let mut times = SettleTimes::default();
        assert_eq!(times.percentile(99), None);
        times.add(bucket(5_000), 99);
        times.add(bucket(60_000_000), 1);
        assert!((5_000..=5_625).contains(&times.percentile(99).unwrap()));
        assert!((60_000_000..=67_500_000).contains(&times.percentile(100).unwrap()));
        assert_eq!((bucket(-1), bucket(0), end(0)), (0, 0, 1_024));
    }

    #[test]
    fn a_long_period_is_whole_months_and_the_days_at_its_ends() {
        let spans = |first, last| stretches(date(first), date(last));
        let stretch = |span, from, to| Stretch { span, from: date(from), to: date(to) };
        assert_eq!(spans("2026-11-26", "2026-12-30"), [stretch(Span::Day, "2026-11-26", "2026-12-31")]);
        assert_eq!(spans("2026-11-01", "2026-11-30"), [stretch(Span::Month, "2026-11-01", "2026-12-01")]);
        assert_eq!(
            spans("2016-11-27", "2026-11-26"),
            [
                stretch(Span::Day, "2016-11-27", "2016-12-01"),
                stretch(Span::Month, "2016-12-01", "2026-11-01"),
                stretch(Span::Day, "2026-11-01", "2026-11-27"),
            ]
        );
    }

    proptest! {
        #[test]
        fn what_is_read_is_the_true_time_or_at_most_an_eighth_above(micros in 1_024_i64..1 << 50) {
            let read = end(bucket(micros));
            prop_assert!(micros < read && read - micros <= micros / 8 + 1, "{micros} {read}");
        }

        #[test]
        fn longer_times_are_in_later_buckets(one in 0_i64..1 << 40, other in 0_i64..1 << 40) {
            prop_assert!(one > other || bucket(one) <= bucket(other));
        }

        #[test]
        fn each_day_of_a_period_is_in_one_stretch(first in 0_u64..4_000, days in 0_u64..4_000) {
            let day = |n| date("2016-01-01") + Days::new(n);
            let stretches = stretches(day(first), day(first + days));
            for n in first.saturating_sub(40)..first + days + 40 {
                let within = |s: &&Stretch| (s.from..s.to).contains(&s.span.of(day(n)));
                let is_in = stretches.iter().filter(within).count();
                prop_assert_eq!(is_in, usize::from((first..=first + days).contains(&n)), "{}", day(n));
            }
        }
    }
}
