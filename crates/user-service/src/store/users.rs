//! Accounts. A closed account is as if it were not there.

use chrono::{DateTime, Utc};
use common::{Money, UserId};
use serde::Serialize;
use sqlx::MySqlConnection;

/// An active account as others may see it.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub struct User {
    /// The account's number.
    pub id: UserId,
    /// The user's name.
    pub full_name: String,
    /// The address for login and mail.
    pub email: String,
    /// What the user can spend.
    pub balance: Money,
    /// What is set aside for pending transactions.
    #[serde(skip)]
    pub held: Money,
}

/// What login needs to know of an account.
#[derive(sqlx::FromRow)]
pub struct Credentials {
    pub id: UserId,
    pub full_name: String,
    pub email: String,
    pub password_hash: String,
}

/// What may be changed of an account; `None` leaves it as it is.
#[derive(Default)]
pub struct Changes {
    pub full_name: Option<String>,
    pub email: Option<String>,
    pub password_hash: Option<String>,
}

/// Opens an account and returns its number. A taken address is a duplicate key.
pub async fn insert(
    conn: &mut MySqlConnection,
    full_name: &str,
    email: &str,
    password_hash: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<UserId> {
    let written = sqlx::query(
        "INSERT INTO users (full_name, email, password_hash, created_at, updated_at) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(full_name)
    .bind(email)
    .bind(password_hash)
    .bind(now)
    .bind(now)
    .execute(conn)
    .await?;
    let id = i64::try_from(written.last_insert_id()).expect("ids fit BIGINT");
    Ok(UserId::try_from(id).expect("generated ids are positive"))
}

/// The account `id`.
pub async fn find(conn: &mut MySqlConnection, id: UserId) -> sqlx::Result<Option<User>> {
    sqlx::query_as("SELECT id, full_name, email, balance, held FROM users WHERE id = ? AND status = 'active'")
        .bind(id)
        .fetch_optional(conn)
        .await
}

/// The accounts after `cursor` by id, at most `limit`; only `only` if that is given.
pub async fn list(
    conn: &mut MySqlConnection,
    only: Option<UserId>,
    cursor: Option<i64>,
    limit: u32,
) -> sqlx::Result<Vec<User>> {
    sqlx::query_as(
        "SELECT id, full_name, email, balance, held FROM users
         WHERE status = 'active' AND id > ? AND (? IS NULL OR id = ?) ORDER BY id LIMIT ?",
    )
    .bind(cursor.unwrap_or(0))
    .bind(only)
    .bind(only)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// The account with this address, for login.
pub async fn credentials(conn: &mut MySqlConnection, email: &str) -> sqlx::Result<Option<Credentials>> {
    sqlx::query_as("SELECT id, full_name, email, password_hash FROM users WHERE email = ? AND status = 'active'")
        .bind(email)
        .fetch_optional(conn)
        .await
}

/// Replaces the hash `old`; nothing happens if the password was changed meanwhile.
pub async fn rehash(conn: &mut MySqlConnection, id: UserId, old: &str, new: &str) -> sqlx::Result<()> {
    sqlx::query("UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?")
        .bind(new)
        .bind(id)
        .bind(old)
        .execute(conn)
        .await?;
    Ok(())
}

/// Changes an active account; false if there is none. A taken address is a duplicate key.
pub async fn update(
    conn: &mut MySqlConnection,
    id: UserId,
    changes: &Changes,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let changed = sqlx::query(
        "UPDATE users SET full_name = COALESCE(?, full_name), email = COALESCE(?, email),
                password_hash = COALESCE(?, password_hash), updated_at = ?
         WHERE id = ? AND status = 'active'",
    )
    .bind(&changes.full_name)
    .bind(&changes.email)
    .bind(&changes.password_hash)
    .bind(now)
    .bind(id)
    .execute(conn)
    .await?;
    Ok(changed.rows_affected() == 1)
}
