//! How far the feed of changes has been read.

use chrono::{DateTime, Utc};
use mysql::row;
use sqlx::MySqlConnection;

/// The feed's name in the table. Another name lets it be read from the beginning: since this one, it says for whom a
/// transaction counts.
const FEED: &str = "transactions.2";

row! {
    /// Where the readers of the feed stand.
    #[derive(Debug, Clone, Copy)]
    pub struct SyncState {
        /// The newest change that was taken over, on transaction-service's clock.
        pub changed_at: DateTime<Utc>,
        /// The newest change when the last run began that came to its end, on the same clock.
        pub complete_to: Option<DateTime<Utc>>,
        /// When that was, on this service's clock.
        pub synced_at: Option<DateTime<Utc>>,
        /// When that was, on transaction-service's clock.
        pub true_at: Option<DateTime<Utc>>,
    }
}

/// The state, if anything has been taken over yet.
pub async fn find(conn: &mut MySqlConnection) -> sqlx::Result<Option<SyncState>> {
    sqlx::query_as("SELECT changed_at, complete_to, synced_at, true_at FROM sync_state WHERE feed = ?")
        .bind(FEED)
        .fetch_optional(conn)
        .await
}

/// A run has come to `changed_at`. The state never goes back, whichever of two runs is faster.
pub async fn advance(conn: &mut MySqlConnection, changed_at: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO sync_state (feed, changed_at) VALUES (?, ?)
         ON DUPLICATE KEY UPDATE changed_at = GREATEST(changed_at, VALUES(changed_at))",
    )
    .bind(FEED)
    .bind(changed_at)
    .execute(conn)
    .await?;
    Ok(())
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
}

/// A run has come to its end.
pub async fn complete(conn: &mut MySqlConnection, run: Completed) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO sync_state (feed, changed_at, complete_to, synced_at, true_at) VALUES (?, ?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE changed_at = GREATEST(changed_at, VALUES(changed_at)),
             complete_to = GREATEST(COALESCE(complete_to, VALUES(complete_to)), VALUES(complete_to)),
             synced_at = GREATEST(COALESCE(synced_at, VALUES(synced_at)), VALUES(synced_at)),
             true_at = GREATEST(COALESCE(true_at, VALUES(true_at)), VALUES(true_at))",
    )
    .bind(FEED)
    .bind(run.newest)
    .bind(run.newest)
    .bind(run.started)
    .bind(run.true_at)
    .execute(conn)
    .await?;
    Ok(())
}
