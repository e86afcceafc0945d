//! How far the feed of changes has been read.

use chrono::{DateTime, Utc};
use sqlx::MySqlConnection;

/// The feed's name in the table.
const FEED: &str = "transactions";

/// Where the reader of the feed stands.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct SyncState {
    /// The newest change that was taken over, on transaction-service's clock.
    pub changed_at: DateTime<Utc>,
    /// When the feed was last read to its end.
    pub synced_at: DateTime<Utc>,
}

/// The state, if anything has been taken over yet.
pub async fn find(conn: &mut MySqlConnection) -> sqlx::Result<Option<SyncState>> {
    sqlx::query_as("SELECT changed_at, synced_at FROM sync_state WHERE feed = ?").bind(FEED).fetch_optional(conn).await
}

/// Moves the state forward; it never goes back.
pub async fn advance(
    conn: &mut MySqlConnection,
    changed_at: DateTime<Utc>,
    synced_at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO sync_state (feed, changed_at, synced_at) VALUES (?, ?, ?)
         ON DUPLICATE KEY UPDATE changed_at = GREATEST(changed_at, VALUES(changed_at)),
                                 synced_at = GREATEST(synced_at, VALUES(synced_at))",
    )
    .bind(FEED)
    .bind(changed_at)
    .bind(synced_at)
    .execute(conn)
    .await?;
    Ok(())
}
