//! What was created on each day, and how long it took to settle: see [`crate::domain::overview`].

use chrono::{DateTime, NaiveDate, Utc};
use money::Money;
use mysql::{
    Unit,
    bulk::{BulkInsert, Value},
    row,
};
use sqlx::MySqlConnection;

use crate::domain::{
    change::Status,
    overview::{Counted, OverviewDeltas, WalletTotals},
    settle_time::{Bucket, SettleTimes, Stretch},
};

pub(super) const DAYS: &str =
    "SELECT day, status, transactions, volume, settled, CAST(settle_micros AS CHAR) AS settle_micros
     FROM overview_days WHERE day BETWEEN ? AND ? ORDER BY day, status";
pub(super) const SETTLE_TIMES: &str =
    "SELECT bucket, transactions FROM settle_times WHERE span = ? AND starts_on >= ? AND starts_on < ?";

row! {
    /// What was created on a day and stands like that.
    #[derive(Debug, Clone)]
    pub struct DayRow {
        pub day: NaiveDate,
        pub status: Status,
        pub transactions: i64,
        pub volume: Money,
        /// Of how many it is known when they were settled.
        pub settled: i64,
        /// How long that took together, in microseconds: more digits than a number of the database has.
        settle_micros: String,
    }
}

impl DayRow {
    /// How long those took together that are settled, in microseconds.
    pub fn settle_micros(&self) -> i128 {
        self.settle_micros.parse().unwrap_or_default()
    }
}

/// What of a transaction is counted, as its copy holds it.
pub(super) fn counted(text: Option<&str>) -> sqlx::Result<Option<Counted>> {
    text.map(serde_json::from_str).transpose().map_err(|error| sqlx::Error::Decode(error.into()))
}

/// How a copy holds what of it is counted.
pub(super) fn written(counted: &Counted) -> String {
    serde_json::to_string(counted).expect("what is counted can be written")
}

/// Adds to the counts, day by day in their order, so that no two of those who add wait for each other.
pub(super) fn add(unit: &mut Unit, deltas: &OverviewDeltas) {
    let mut days =
        BulkInsert::new("INSERT INTO overview_days (day, status, transactions, volume, settled, settle_micros)");
    for ((day, status), delta) in &deltas.days {
        days.row(&[
            Value::Text(&day.to_string()),
            Value::Text(status),
            delta.transactions.into(),
            delta.volume.into(),
            delta.settled.into(),
            delta.settle_micros.into(),
        ]);
    }
    unit.insert(days.on_duplicate(
        " ON DUPLICATE KEY UPDATE transactions = transactions + VALUES(transactions), volume = volume + VALUES(volume),
             settled = settled + VALUES(settled), settle_micros = settle_micros + VALUES(settle_micros)",
    ));
    let mut times = BulkInsert::new("INSERT INTO settle_times (span, starts_on, bucket, transactions)");
    for ((span, starts_on, bucket), count) in &deltas.settle_times {
        let bucket = i64::from(*bucket).into();
        times.row(&[Value::Text(span.into()), Value::Text(&starts_on.to_string()), bucket, (*count).into()]);
    }
    unit.insert(times.on_duplicate(" ON DUPLICATE KEY UPDATE transactions = transactions + VALUES(transactions)"));
}

/// What was created from the `first` day to the `last`, by day and status.
pub async fn days(conn: &mut MySqlConnection, first: NaiveDate, last: NaiveDate) -> sqlx::Result<Vec<DayRow>> {
    sqlx::query_as(DAYS).bind(first).bind(last).fetch_all(conn).await
}

/// How long the transactions of these days took to settle.
pub async fn settle_times(conn: &mut MySqlConnection, stretches: &[Stretch]) -> sqlx::Result<SettleTimes> {
    let mut times = SettleTimes::default();
    for Stretch { span, from, to } in stretches {
        let rows: Vec<(Bucket, i64)> =
            sqlx::query_as(SETTLE_TIMES).bind(<&str>::from(span)).bind(from).bind(to).fetch_all(&mut *conn).await?;
        for (bucket, count) in rows {
            times.add(bucket, count);
        }
    }
    Ok(times)
}

pub(super) const WALLET_TOTALS: &str = "SELECT users, money, true_at FROM wallet_totals WHERE id = 1";

/// What all accounts had together when user-service was asked last.
pub async fn wallet_totals(conn: &mut MySqlConnection) -> sqlx::Result<Option<WalletTotals>> {
    let found: Option<(i64, Money, DateTime<Utc>)> = sqlx::query_as(WALLET_TOTALS).fetch_optional(conn).await?;
    Ok(found.map(|(users, money, true_at)| WalletTotals { users, money, true_at }))
}

/// Keeps what all accounts have together, unless something newer is kept.
pub fn keep_wallet_totals(unit: &mut Unit, totals: WalletTotals) {
    let mut insert = BulkInsert::new("INSERT INTO wallet_totals (id, users, money, true_at)");
    insert.row(&[1.into(), totals.users.into(), totals.money.into(), totals.true_at.into()]);
    // each assignment sees those before it, so the moment comes last
    unit.insert(insert.on_duplicate(
        " ON DUPLICATE KEY UPDATE users = IF(true_at < VALUES(true_at), VALUES(users), users),
             money = IF(true_at < VALUES(true_at), VALUES(money), money), true_at = GREATEST(true_at, VALUES(true_at))",
    ));
}
