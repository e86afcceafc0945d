//! The one place that reads the clock, and moments that callers name.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Datelike, SubsecRound, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error};

/// The present moment in UTC, cut to microseconds: what `DATETIME(6)` can hold.
#[expect(clippy::disallowed_methods, reason = "this is the clock that the rest of the code asks")]
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

/// The current moment, or one just after it that no other call in this process gets: it tells apart what is done at once.
pub fn unique_now() -> DateTime<Utc> {
    static LAST: AtomicI64 = AtomicI64::new(0);
    let now = now().timestamp_micros();
    let next = |last: i64| now.max(last + 1);
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
    let last = last.unwrap_or_else(|last| last);
    DateTime::from_timestamp_micros(next(last)).expect("the year is far below the limit")
}

/// A moment in a request (RFC 3339), within what `DATETIME(6)` can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(inline)]
pub struct Moment(pub DateTime<Utc>);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = DateTime::parse_from_rfc3339(&text).ok().map(|moment| moment.to_utc());
        // chrono writes a leap second as a second with more than 10^9 nanoseconds
        let valid = |m: &DateTime<Utc>| (1000..=9999).contains(&m.year()) && m.timestamp_subsec_nanos() < 1_000_000_000;
        let moment = parsed.filter(valid);
        moment
            .map(|m| Self(m.trunc_subsecs(6)))
            .ok_or_else(|| D::Error::custom("must be a time like 2025-11-12T10:30:00Z"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_unique_moments_are_the_same_and_they_rise() {
        let moments: Vec<_> = (0..1000).map(|_| unique_now()).collect();
        assert!(moments.is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn only_what_the_database_can_hold_is_a_moment() {
        let parse = |text: &str| serde_json::from_value::<Moment>(text.into());
        assert_eq!(
            parse("2025-11-12T12:30:00.1234567+02:00").unwrap().0.to_rfc3339(),
            "2025-11-12T10:30:00.123456+00:00"
        );
        for bad in [
            "",
            "2025-11-12",
            "-0001-01-01T00:00:00Z",
            "+10000-01-01T00:00:00Z",
            "0999-01-01T00:00:00Z",
            "2016-12-31T23:59:60Z",
            "2025-13-01T00:00:00Z",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
