//! When the ledger was proved, and what that found.

use sqlx::MySqlConnection;

use super::verify::Verification;

/// Takes the lock `name` of this schema for as long as the session lasts; false if another session has it.
pub async fn lock(conn: &mut MySqlConnection, name: &str) -> sqlx::Result<bool> {
    let taken: Option<i64> =
        sqlx::query_scalar("SELECT GET_LOCK(CONCAT(?, '.', DATABASE()), 0)").bind(name).fetch_one(conn).await?;
    Ok(taken == Some(1))
}

/// When the last proof was made, in seconds since 1970, and how many violations it found.
pub async fn last(conn: &mut MySqlConnection) -> sqlx::Result<Option<(i64, i64)>> {
    sqlx::query_as("SELECT UNIX_TIMESTAMP(audited_at) DIV 1, violations FROM ledger_audits ORDER BY id DESC LIMIT 1")
        .fetch_optional(conn)
        .await
}

/// True if the ledger was proved last more than `interval` seconds ago.
pub async fn is_due(conn: &mut MySqlConnection, interval: u32) -> sqlx::Result<bool> {
    let done: i64 = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM ledger_audits WHERE id = (SELECT MAX(id) FROM ledger_audits)
                          AND audited_at > NOW(6) - INTERVAL ? SECOND)",
    )
    .bind(interval)
    .fetch_one(conn)
    .await?;
    Ok(done == 0)
}

/// Keeps what a proof found.
pub async fn insert(conn: &mut MySqlConnection, found: &Verification) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO ledger_audits (operations, users, violations) VALUES (?, ?, ?)")
        .bind(found.checked_operations)
        .bind(found.checked_users)
        .bind(i64::try_from(found.violations.len()).unwrap_or(i64::MAX))
        .execute(conn)
        .await?;
    Ok(())
}
