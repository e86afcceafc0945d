//! Attempts to log in, counted on the database's clock.

use std::time::Duration;

use common::idempotency::fingerprint;
use serde::Serialize;
use sqlx::MySqlConnection;

/// Hours after which attempts are forgotten.
const REMEMBERED_HOURS: u32 = 24;
/// Seconds in which a network address is forgiven one failure: what an office mistypes in weeks does not add up, and who guesses gains
/// less than by waiting.
const FORGIVEN_SECONDS: u32 = 15 * 60;
/// The most rows that are forgotten in one unit of work.
const FORGOTTEN_AT_ONCE: u32 = 1000;

/// Whose attempts are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Subject<'a> {
    /// Those for one account, by the address that was typed.
    Account(&'a str),
    /// Those of one client, by its network address.
    Client(&'a str),
}

impl Subject<'_> {
    fn key(&self) -> Vec<u8> {
        fingerprint(self)
    }

    /// How many attempts may fail before the next one has to wait. A network address may stand for a whole office.
    fn free(&self) -> u32 {
        match self {
            Self::Account(_) => 10,
            Self::Client(_) => 100,
        }
    }

    /// Seconds after which one failure is forgiven, while others come; 0 if none is.
    fn forgiven_seconds(&self) -> u32 {
        match self {
            Self::Account(_) => 0,
            Self::Client(_) => FORGIVEN_SECONDS,
        }
    }

    /// The longest wait, in seconds.
    fn longest_wait(&self) -> u32 {
        match self {
            Self::Account(_) => 15 * 60,
            Self::Client(_) => 60,
        }
    }

    /// Seconds to wait after this many failures: none, then 1, 2, 4, …
    fn wait(&self, failures: u32) -> u32 {
        match failures.checked_sub(self.free()) {
            None => 0,
            Some(beyond) => 2_u32.saturating_pow(beyond).min(self.longest_wait()),
        }
    }
}

/// Counts an attempt before it is known whether it succeeds, so that many at once gain nothing. Returns how long to wait
/// instead, if it is too early.
pub async fn begin(conn: &mut MySqlConnection, subject: Subject<'_>) -> sqlx::Result<Option<Duration>> {
    let key = subject.key();
    let forgiven_seconds = subject.forgiven_seconds();
    // whoever is never forgiven has no moment, and NULL failures are forgiven
    sqlx::query(
        "INSERT INTO login_attempts (subject, failures, blocked_until) VALUES (?, 0, NOW(6))
         ON DUPLICATE KEY UPDATE
             failures = IF(blocked_until < NOW(6) - INTERVAL ? HOUR, 0,
                 GREATEST(0, failures - IFNULL(TIMESTAMPDIFF(SECOND, forgiven_until, NOW(6)) DIV NULLIF(?, 0), 0))),
             forgiven_until = IF(? = 0, NULL, IFNULL(
                 forgiven_until + INTERVAL (TIMESTAMPDIFF(SECOND, forgiven_until, NOW(6)) DIV NULLIF(?, 0)) * ? SECOND, NOW(6)))",
    )
    .bind(&key)
    .bind(REMEMBERED_HOURS)
    .bind(forgiven_seconds)
    .bind(forgiven_seconds)
    .bind(forgiven_seconds)
    .bind(forgiven_seconds)
    .execute(&mut *conn)
    .await?;
    let (failures, wait): (u32, i64) = sqlx::query_as(
        "SELECT CAST(failures AS UNSIGNED INTEGER), TIMESTAMPDIFF(MICROSECOND, NOW(6), blocked_until) FROM login_attempts
         WHERE subject = ? FOR UPDATE",
    )
    .bind(&key)
    .fetch_one(&mut *conn)
    .await?;
    if wait > 0 {
        return Ok(Some(Duration::from_micros(wait.unsigned_abs())));
    }
    sqlx::query(
        "UPDATE login_attempts SET failures = failures + 1, blocked_until = NOW(6) + INTERVAL ? SECOND WHERE subject = ?",
    )
    .bind(subject.wait(failures + 1))
    .bind(&key)
    .execute(conn)
    .await?;
    Ok(None)
}

/// Forgets the failures of an account that was logged in to, and this one attempt of the client, for which nobody else there waits.
pub async fn succeeded(conn: &mut MySqlConnection, account: Subject<'_>, client: Subject<'_>) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM login_attempts WHERE subject = ?").bind(account.key()).execute(&mut *conn).await?;
    sqlx::query(
        "UPDATE login_attempts SET failures = failures - 1, blocked_until = NOW(6) WHERE subject = ? AND failures > 0",
    )
    .bind(client.key())
    .execute(conn)
    .await?;
    Ok(())
}

/// Deletes a batch of what no longer counts, and says how many there were.
pub async fn forget(conn: &mut MySqlConnection) -> sqlx::Result<u64> {
    let old = sqlx::query("DELETE FROM login_attempts WHERE blocked_until < NOW(6) - INTERVAL ? HOUR LIMIT ?");
    Ok(old.bind(REMEMBERED_HOURS).bind(FORGOTTEN_AT_ONCE).execute(conn).await?.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_begins_late_doubles_and_has_an_end() {
        let (account, client) = (Subject::Account("john@example.com"), Subject::Client("192.0.2.1"));
        let waits = |subject: Subject<'_>, from: u32| (from..from + 4).map(|n| subject.wait(n)).collect::<Vec<_>>();
        assert_eq!(waits(account, 9), [0, 1, 2, 4]);
        assert_eq!(waits(client, 99), [0, 1, 2, 4]);
        assert_eq!((account.wait(1000), client.wait(1000)), (900, 60));
        assert_ne!(account.key(), Subject::Client("john@example.com").key());
    }
}
