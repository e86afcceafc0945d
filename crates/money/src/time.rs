//! The one place that reads the clock, and moments that callers name.

use std::{
    borrow::Cow,
    sync::atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, SecondsFormat, SubsecRound, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

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

/// A moment as it is answered: RFC 3339 in UTC, always with six decimals, `2025-11-12T10:30:00.000000Z`.
pub fn written(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Serializes a moment that may be missing as [`written`].
pub fn serialize_written<S: Serializer>(moment: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    moment.map(written).serialize(serializer)
}

/// A moment in a request (RFC 3339), within what `DATETIME(6)` can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(inline)]
pub struct Moment(pub DateTime<Utc>);

/// Words for what is no moment.
const NO_MOMENT: &str = "must be a time like 2025-11-12T10:30:00Z";
/// Words for what is no date.
const NO_DATE: &str = "must be a date like 2025-11-12";
/// Words for what is no bound of a period.
const NO_BOUND: &str = "must be a date like 2025-11-12 or a time like 2025-11-12T10:30:00Z";
/// Words for an offset whose `+` arrived as a blank, as it does in a query string that is not encoded.
const LOST_PLUS: &str = "must have its + written as %2B, as in 2025-11-12T10:30:00%2B07:00";

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        moment(&text).map(Self).ok_or_else(|| D::Error::custom(advice(&text, NO_MOMENT)))
    }
}

/// A date in a request, within what `DATETIME(6)` can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Date(pub NaiveDate);

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        day(&text).map(Self).ok_or_else(|| D::Error::custom(NO_DATE))
    }
}

/// A bound of a period, in a query: a moment, or a whole day in the time zone of the wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// This moment.
    At(DateTime<Utc>),
    /// This day.
    Day(NaiveDate),
}

impl JsonSchema for Bound {
    fn schema_name() -> Cow<'static, str> {
        "Bound".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]})
    }
}

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bound = moment(&text).map(Self::At).or_else(|| day(&text).map(Self::Day));
        bound.ok_or_else(|| D::Error::custom(advice(&text, NO_BOUND)))
    }
}

impl Bound {
    /// Where a period begins that begins here: what happens at this moment belongs to it.
    pub fn begin(self, zone: Tz) -> DateTime<Utc> {
        match self {
            Self::At(moment) => moment,
            Self::Day(day) => midnight(day, zone),
        }
    }

    /// Where a period ends that ends here: what happens at this moment no longer belongs to it; a day does, whole.
    pub fn end(self, zone: Tz) -> DateTime<Utc> {
        match self {
            Self::At(moment) => moment,
            Self::Day(day) => midnight(day.succ_opt().unwrap_or(day), zone),
        }
    }
}

/// A stretch of time, open where there is no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Period {
    /// It begins with this moment.
    pub from: Option<DateTime<Utc>>,
    /// It ends before this moment.
    pub to: Option<DateTime<Utc>>,
}

impl Period {
    /// The period between two bounds, where days are those of `zone`.
    pub fn between(from: Option<Bound>, to: Option<Bound>, zone: Tz) -> Self {
        Self { from: from.map(|from| from.begin(zone)), to: to.map(|to| to.end(zone)) }
    }

    /// What of it is at `since` or later, if that is given.
    #[must_use]
    pub fn since(self, since: Option<DateTime<Utc>>) -> Self {
        Self { from: self.from.max(since), ..self }
    }
}

/// The first moment of `day` in `zone`: where clocks are put forward at midnight, that is later than 00:00.
pub fn midnight(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    let mut quarters = (0..=24 * 4).map(|quarter| midnight + TimeDelta::minutes(15 * quarter));
    let first = quarters.find_map(|time| zone.from_local_datetime(&time).earliest());
    first.map_or_else(|| midnight.and_utc(), |moment| moment.to_utc())
}

/// The day of `moment` in `zone`.
pub fn day_of(moment: DateTime<Utc>, zone: Tz) -> NaiveDate {
    moment.with_timezone(&zone).date_naive()
}

/// The last year that a date may have.
pub const LAST_YEAR: i32 = 9999;

fn day(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|day| is_date(text) && in_range(day.year()))
}

fn moment(text: &str) -> Option<DateTime<Utc>> {
    let parsed = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    // chrono writes a leap second as a second with more than 10^9 nanoseconds
    let is_valid = in_range(parsed.year()) && parsed.timestamp_subsec_nanos() < 1_000_000_000;
    is_valid.then(|| parsed.trunc_subsecs(6))
}

/// The years that `DATETIME(6)` can hold.
fn in_range(year: i32) -> bool {
    (1000..=LAST_YEAR).contains(&year)
}

/// `2025-11-02`, with all its digits.
fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() })
}

fn advice(text: &str, otherwise: &'static str) -> &'static str {
    let encoded = text.replacen(' ', "+", 1);
    if encoded != text && moment(&encoded).is_some() { LOST_PLUS } else { otherwise }
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
    fn a_moment_is_written_with_six_decimals() {
        assert_eq!(written("2025-11-12T17:30:00+07:00".parse().unwrap()), "2025-11-12T10:30:00.000000Z");
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

    fn bound(text: &str) -> Result<Bound, String> {
        serde_json::from_value::<Bound>(text.into()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_date_is_a_whole_day_in_the_time_zone() {
        let zone: Tz = "Asia/Jakarta".parse().unwrap();
        let day = bound("2025-11-30").unwrap();
        assert_eq!(day.begin(zone).to_rfc3339(), "2025-11-29T17:00:00+00:00");
        assert_eq!(day.end(zone).to_rfc3339(), "2025-11-30T17:00:00+00:00");
        let moment = bound("2025-11-30T00:00:00+07:00").unwrap();
        assert_eq!(moment.begin(zone), day.begin(zone));
        assert_eq!(moment.end(zone), day.begin(zone), "a moment is its own end");
        for bad in ["2025-02-30", "2025-1-1", "25-11-30", "20251130", "0999-01-01", "2025-11-30 ", ""] {
            assert_eq!(bound(bad).unwrap_err(), NO_BOUND, "{bad}");
        }
    }

    #[test]
    fn a_date_has_all_its_digits_and_its_day_is_that_of_the_time_zone() {
        let date = |text: &str| serde_json::from_value::<Date>(text.into());
        let new_year = date("2026-12-31").unwrap();
        assert_eq!(serde_json::to_value(new_year).unwrap(), "2026-12-31");
        for bad in ["2026-02-29", "2026-1-1", "2026-12-31T00:00:00Z", "0999-12-31", "+10000-01-01", ""] {
            assert_eq!(date(bad).unwrap_err().to_string(), NO_DATE, "{bad}");
        }
        let zone: Tz = "Asia/Jakarta".parse().unwrap();
        let begin = midnight(new_year.0, zone);
        assert_eq!(day_of(begin, zone), new_year.0);
        assert_eq!(day_of(begin - TimeDelta::microseconds(1), zone), new_year.0.pred_opt().unwrap());
    }

    #[test]
    fn a_day_whose_midnight_does_not_exist_begins_when_clocks_go_on() {
        let zone: Tz = "America/Santiago".parse().unwrap();
        let day = bound("2025-09-07").unwrap();
        assert_eq!(day.begin(zone).to_rfc3339(), "2025-09-07T04:00:00+00:00");
    }

    #[test]
    fn a_plus_that_arrived_as_a_blank_has_its_advice() {
        for text in ["2025-11-01T00:00:00 07:00", "2025-11-01T00:00:00.5 00:00"] {
            assert_eq!(bound(text).unwrap_err(), LOST_PLUS);
            let moment = serde_json::from_value::<Moment>(text.into()).unwrap_err().to_string();
            assert_eq!(moment, LOST_PLUS);
        }
    }
}
