//! Statements that were issued, by the codes that verify them.

use chrono::{DateTime, Utc};
use money::{Money, UserId};
use mysql::row;
use sqlx::MySqlConnection;

use super::entries::moment;
use crate::domain::{statement::Totals, verification::VerificationCode};

row! {
    /// What is kept of a statement.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Issued {
        /// Whose account it is of.
        pub user_id: UserId,
        /// It begins with this moment.
        pub begins_at: DateTime<Utc>,
        /// It ends before this moment.
        pub ends_at: DateTime<Utc>,
        pub opening_balance: Money,
        pub closing_balance: Money,
        pub total_in: Money,
        pub total_out: Money,
        /// How many it lists.
        pub entries: i64,
        /// When it was made.
        pub issued_at: DateTime<Utc>,
    }
}

impl Issued {
    /// A statement of `user` with these totals.
    pub fn new(user: UserId, (from, to): (DateTime<Utc>, DateTime<Utc>), totals: Totals, at: DateTime<Utc>) -> Self {
        Self {
            user_id: user,
            begins_at: from,
            ends_at: to,
            opening_balance: totals.opening_balance,
            closing_balance: totals.closing_balance,
            total_in: totals.total_in,
            total_out: totals.total_out,
            entries: i64::try_from(totals.entries).unwrap_or(i64::MAX),
            issued_at: at,
        }
    }
}

pub(super) const FIND: &str =
    "SELECT user_id, begins_at, ends_at, opening_balance, closing_balance, total_in, total_out,
            entries, issued_at
     FROM statements WHERE code = ?";

/// The statement with this code.
pub async fn find(conn: &mut MySqlConnection, code: &VerificationCode) -> sqlx::Result<Option<Issued>> {
    sqlx::query_as(FIND).bind(code.as_str()).fetch_optional(conn).await
}

/// Keeps a statement. It may be kept already: a commit whose answer never came may have kept it.
pub async fn insert(conn: &mut MySqlConnection, code: &VerificationCode, issued: &Issued) -> sqlx::Result<()> {
    let inserted = sqlx::query(
        "INSERT INTO statements (code, user_id, begins_at, ends_at, opening_balance, closing_balance, total_in, total_out,
             entries, issued_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(code.as_str())
    .bind(issued.user_id)
    .bind(moment(issued.begins_at))
    .bind(moment(issued.ends_at))
    .bind(issued.opening_balance)
    .bind(issued.closing_balance)
    .bind(issued.total_in)
    .bind(issued.total_out)
    .bind(issued.entries)
    .bind(moment(issued.issued_at))
    .execute(&mut *conn)
    .await;
    let Err(error) = inserted else { return Ok(()) };
    let is_kept = mysql::is_duplicate(&error) && find(conn, code).await?.as_ref() == Some(issued);
    if is_kept { Ok(()) } else { Err(error) }
}
