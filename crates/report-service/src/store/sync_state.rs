//! How far the feed of changes has been read.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use mysql::{
    Unit,
    bulk::{BulkInsert, Value, literal},
    row,
};
use sqlx::{AssertSqlSafe, MySqlConnection};

/// The feed's name in the table. Another name lets it be read from the beginning: since this one, it says what was
/// written on a transaction, and when it was settled.
const FEED: &str = "transactions.3";

row! {
    /// Where the readers of the feed stand.
    #[derive(Debug, Clone)]
    pub struct SyncState {
        /// The newest change that was taken over, on transaction-service's clock.
        pub changed_at: DateTime<Utc>,
        /// The newest change when the last run began that came to its end, on the same clock.
        pub complete_to: Option<DateTime<Utc>>,
        /// When that was, on this service's clock.
        pub synced_at: Option<DateTime<Utc>>,
        /// When that was, on transaction-service's clock.
        pub true_at: Option<DateTime<Utc>>,
        /// In which time zone the days of the overview begin.
        pub zone: Option<String>,
    }
}

impl SyncState {
    /// True if the overview counts by the days of `zone`.
    pub fn is_of(&self, zone: Tz) -> bool {
        self.zone.as_deref() == Some(zone.name())
    }
}

/// The state, if anything has been taken over yet.
pub async fn find(conn: &mut MySqlConnection) -> sqlx::Result<Option<SyncState>> {
    sqlx::query_as(AssertSqlSafe(select())).fetch_optional(conn).await
}

/// The statement that finds it.
pub(super) fn select() -> String {
    format!("SELECT changed_at, complete_to, synced_at, true_at, zone FROM sync_state WHERE feed = {}", literal(FEED))
}

/// A run has come to `changed_at`. The state never goes back, whichever of two runs is faster. The first one says of which `zone` it is.
pub fn advance(unit: &mut Unit, changed_at: DateTime<Utc>, zone: Tz) {
    let mut insert = BulkInsert::new("INSERT INTO sync_state (feed, changed_at, zone)");
    insert.row(&[Value::Text(FEED), changed_at.into(), Value::Text(zone.name())]);
    unit.insert(insert.on_duplicate(" ON DUPLICATE KEY UPDATE changed_at = GREATEST(changed_at, VALUES(changed_at))"));
}

/// A run that has come to its end.
#[derive(Debug, Clone, Copy)]
pub struct Completed {
    /// The newest change when it began.
    pub newest: DateTime<Utc>,
    /// When it began, on this service's clock.
    pub started: DateTime<Utc>,
    /// When it began, on transaction-service's clock.
    pub true_at: DateTime<Utc>,
    /// The time zone whose days it has counted by.
    pub zone: Tz,
}

/// A run has come to its end.
pub fn complete(unit: &mut Unit, run: Completed) {
    let mut insert =
        BulkInsert::new("INSERT INTO sync_state (feed, changed_at, complete_to, synced_at, true_at, zone)");
    let zone = Value::Text(run.zone.name());
    let newest = run.newest.into();
    insert.row(&[Value::Text(FEED), newest, newest, run.started.into(), run.true_at.into(), zone]);
    unit.insert(insert.on_duplicate(
        " ON DUPLICATE KEY UPDATE changed_at = GREATEST(changed_at, VALUES(changed_at)),
             complete_to = GREATEST(COALESCE(complete_to, VALUES(complete_to)), VALUES(complete_to)),
             synced_at = GREATEST(COALESCE(synced_at, VALUES(synced_at)), VALUES(synced_at)),
             true_at = GREATEST(COALESCE(true_at, VALUES(true_at)), VALUES(true_at)), zone = VALUES(zone)",
    ));
}
