//! Look-ups of addresses, counted on the database's clock, and what they find.

use std::time::Duration;

use money::UserId;
use sqlx::MySqlConnection;

/// How many addresses a caller may look up in a minute, whichever instance it asks.
const EACH_MINUTE: i64 = 10;
/// The minute, in seconds.
const MINUTE: u32 = 60;
/// The most rows that are forgotten in one unit of work.
const FORGOTTEN_AT_ONCE: u32 = 1000;

/// Counts a look-up of `caller`, whether or not it will find anything. Returns how long to wait instead, if there were too many.
pub async fn count(conn: &mut MySqlConnection, caller: &str) -> sqlx::Result<Option<Duration>> {
    // the row is locked from here on: of look-ups at once each sees what the others have counted
    sqlx::query(
        "INSERT INTO lookups (caller, counted, ends_at) VALUES (?, 1, NOW(6) + INTERVAL ? SECOND)
         ON DUPLICATE KEY UPDATE counted = IF(ends_at <= NOW(6), 1, counted + 1),
                                 ends_at = IF(ends_at <= NOW(6), VALUES(ends_at), ends_at)",
    )
    .bind(caller)
    .bind(MINUTE)
    .execute(&mut *conn)
    .await?;
    let (counted, wait): (i64, i64) = sqlx::query_as(
        "SELECT CAST(counted AS SIGNED INTEGER), TIMESTAMPDIFF(MICROSECOND, NOW(6), ends_at) FROM lookups WHERE caller = ?",
    )
    .bind(caller)
    .fetch_one(conn)
    .await?;
    Ok((counted > EACH_MINUTE).then(|| Duration::from_micros(u64::try_from(wait).unwrap_or_default())))
}

/// Number and name of the active account with this address.
pub async fn find(conn: &mut MySqlConnection, email: &str) -> sqlx::Result<Option<(UserId, String)>> {
    sqlx::query_as("SELECT id, full_name FROM users WHERE email = ? AND closed_at IS NULL")
        .bind(email)
        .fetch_optional(conn)
        .await
}

/// Deletes a batch of what no longer counts, and says how many there were.
pub async fn forget(conn: &mut MySqlConnection) -> sqlx::Result<u64> {
    let old = sqlx::query("DELETE FROM lookups WHERE ends_at < NOW(6) LIMIT ?");
    Ok(old.bind(FORGOTTEN_AT_ONCE).execute(conn).await?.rows_affected())
}
