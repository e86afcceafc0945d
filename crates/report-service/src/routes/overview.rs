//! The overview.

use std::collections::BTreeMap;

use axum::extract::State;
use chrono::{Days, Months, NaiveDate};
use chrono_tz::Tz;
use common::{ApiError, Result, as_of::AsOf, caller::Trusted, extract::Query, monitoring::seconds, request};
use money::{
    Money,
    time::{self, Date, day_of},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{
    app::{overview as app, sync::Sync},
    state::Wallet,
    store::overview::DayRow,
};

/// The days of an overview whose beginning is not named.
const DEFAULT_DAYS: u64 = 30;
/// The years of the longest overview.
const MAX_YEARS: u32 = 10;
/// Which part of the transactions, in percent, was settled within the time that `p99` names.
const MOST: i64 = 99;

request! {
    /// Of which days the overview is, in the wallet's time zone.
    pub struct OverviewQuery {
        /// The first day: if it is absent, the 30th of the last 30 days.
        from: Option<Date>,
        /// The last day: today, if it is absent.
        to: Option<Date>,
    }
}

impl OverviewQuery {
    /// The first and the last day.
    fn days(self, today: NaiveDate) -> Result<(NaiveDate, NaiveDate)> {
        let last = self.to.map_or(today, |Date(day)| day);
        let default = || last.checked_sub_days(Days::new(DEFAULT_DAYS - 1)).unwrap_or(last);
        let first = self.from.map_or_else(default, |Date(day)| day);
        if first > last {
            return Err(ApiError::invalid("from", "must not be later than to, which is today if it is absent"));
        }
        match first.checked_add_months(Months::new(12 * MAX_YEARS)) {
            Some(end) if last >= end => {
                Err(ApiError::invalid("to", format!("must be within {MAX_YEARS} years of from")))
            }
            _ => Ok((first, last)),
        }
    }
}

/// What was created from one day to another, and what all accounts have.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Overview", example = json!({
    "from": "2026-11-25",
    "to": "2026-11-26",
    "timezone": "Asia/Jakarta",
    "volume": 150_000,
    "counts": {"completed": 3, "pending": 1},
    "settle_seconds": {"mean": 0.051_2, "p99": 0.073_728},
    "users": 2,
    "money": 1_000_000,
    "days": [
        {"day": "2026-11-25", "volume": 100_000, "counts": {"completed": 2}},
        {"day": "2026-11-26", "volume": 50_000, "counts": {"completed": 1, "pending": 1}},
    ],
}))]
pub struct Body {
    from: NaiveDate,
    to: NaiveDate,
    /// Where these days begin.
    timezone: &'static str,
    /// What payments that were created then have paid, less what has gone back of that.
    volume: Money,
    /// How many transactions were created then, hidden ones and refunds included, by their status; without those of which there are none.
    counts: BTreeMap<&'static str, i64>,
    /// How long those took that are settled.
    settle_seconds: SettleSeconds,
    /// Accounts that are not closed, as of `X-Data-As-Of` or later.
    users: i64,
    /// What all accounts have: what can be spent, and what is set aside.
    money: Money,
    /// The days on which something was created.
    days: Vec<Day>,
}

/// How long transactions took from their beginning until they were completed, failed or cancelled.
#[derive(Serialize, JsonSchema)]
struct SettleSeconds {
    /// Exact, to the microsecond; null if none is settled.
    mean: Option<f64>,
    /// Within which time 99 of 100 were settled: the true time or up to an eighth above, and never below 0.001024.
    p99: Option<f64>,
}

/// What was created on a day.
#[derive(Default, Serialize, JsonSchema)]
#[schemars(rename = "OverviewDay")]
struct Day {
    day: NaiveDate,
    volume: Money,
    counts: BTreeMap<&'static str, i64>,
}

/// `GET /overview`: what was created on each day and what became of it, and what all accounts have.
pub async fn show(
    _: Trusted,
    State(sync): State<Sync>,
    State(Wallet { timezone: zone, .. }): State<Wallet>,
    Query(query): Query<OverviewQuery>,
) -> Result<AsOf<Body>> {
    let (from, to) = query.days(day_of(time::now(), zone))?;
    let found = sync.overview(from, to).await?;
    let moment = found.true_at;
    Ok(AsOf(body(from, to, zone, &found), Some(moment)))
}

fn body(from: NaiveDate, to: NaiveDate, zone: Tz, found: &app::Overview) -> Body {
    let (mut volume, mut counts, mut days) = (Money::ZERO, BTreeMap::new(), Vec::<Day>::new());
    let (mut settled, mut micros) = (0, 0);
    for row in found.days.iter().filter(|row| row.transactions != 0) {
        let status: &str = row.status.into();
        volume = volume + row.volume;
        *counts.entry(status).or_default() += row.transactions;
        (settled, micros) = (settled + row.settled, micros + row.settle_micros());
        add(&mut days, row, status);
    }
    let mean = micros.checked_div(settled.into()).map(|mean| seconds(i64::try_from(mean).unwrap_or(i64::MAX)));
    let settle_seconds = SettleSeconds { mean, p99: found.settle_times.percentile(MOST).map(seconds) };
    let (users, money) = (found.wallet.users, found.wallet.money);
    Body { from, to, timezone: zone.name(), volume, counts, settle_seconds, users, money, days }
}

/// Adds to the last of `days`, or begins the next one.
fn add(days: &mut Vec<Day>, row: &DayRow, status: &'static str) {
    if days.last().is_none_or(|last| last.day != row.day) {
        days.push(Day { day: row.day, ..Day::default() });
    }
    let last = days.last_mut().expect("one was begun");
    last.volume = last.volume + row.volume;
    last.counts.insert(status, row.transactions);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(from: Option<&str>, to: Option<&str>) -> Result<(String, String), Vec<String>> {
        let date = |text: Option<&str>| text.map(|text| Date(text.parse().unwrap()));
        let query = OverviewQuery { from: date(from), to: date(to) };
        let days = query.days("2026-11-26".parse().unwrap());
        let refused = |error: ApiError| error.fields().keys().cloned().collect();
        days.map(|(first, last)| (first.to_string(), last.to_string())).map_err(refused)
    }

    #[test]
    fn the_last_thirty_days_unless_others_are_named_and_ten_years_at_most() {
        let days = |first: &str, last: &str| Ok((first.to_owned(), last.to_owned()));
        assert_eq!(query(None, None), days("2026-10-28", "2026-11-26"));
        assert_eq!(query(Some("2026-11-26"), None), days("2026-11-26", "2026-11-26"));
        assert_eq!(query(None, Some("2027-01-01")), days("2026-12-03", "2027-01-01"));
        assert_eq!(query(Some("2016-02-29"), Some("2026-02-27")), days("2016-02-29", "2026-02-27"));
        assert_eq!(query(Some("2016-02-29"), Some("2026-02-28")), Err(vec!["to".to_owned()]));
        assert_eq!(query(Some("2026-11-27"), None), Err(vec!["from".to_owned()]));
    }
}
