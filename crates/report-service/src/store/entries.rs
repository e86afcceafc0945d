//! What is read of the entries. All reads of an answer that must agree with each other take one snapshot, which their caller begins.

use chrono::{DateTime, Utc};
use money::{Money, TransactionId, UserId};
use mysql::row;
use sqlx::MySqlConnection;

use crate::domain::entry::{Entry, Place};

/// Entries on a page of [`Pages`].
pub const PAGE: u32 = 1_000;

row! {
    /// The entries that are read.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Current {
        /// Their generation.
        pub generation: i32,
        /// All that was committed in the ledger before is among them.
        pub true_at: DateTime<Utc>,
    }
}

row! {
    #[derive(Debug)]
    struct Row {
        id: i64,
        user_id: UserId,
        created_at: DateTime<Utc>,
        kind: String,
        amount: Money,
        balance_after: Money,
        counterparty_id: Option<UserId>,
        transaction_id: Option<TransactionId>,
        reference: Option<String>,
    }
}

impl From<Row> for Entry {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            created_at: row.created_at,
            kind: row.kind,
            amount: row.amount,
            balance_after: row.balance_after,
            counterparty_id: row.counterparty_id,
            transaction_id: row.transaction_id,
            reference: row.reference,
            description: None,
        }
    }
}

macro_rules! columns {
    () => {
        "id, user_id, created_at, kind, amount, balance_after, counterparty_id, transaction_id, reference"
    };
}

pub(super) const CURRENT: &str = "SELECT generation, true_at FROM entry_feeds WHERE feed = 'entries'";
pub(super) const NEWEST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM entries WHERE generation = ? AND user_id = ? AND created_at <= ? AND (created_at < ? OR id < ?)
      ORDER BY created_at DESC, id DESC LIMIT ?"
);
pub(super) const OLDEST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM entries WHERE generation = ? AND user_id = ? AND created_at >= ? AND (created_at > ? OR id > ?)
          AND created_at < ?
      ORDER BY created_at, id LIMIT ?"
);
pub(super) const BALANCE: &str = "SELECT balance_after FROM entries
     WHERE generation = ? AND user_id = ? AND created_at < ? ORDER BY created_at DESC, id DESC LIMIT 1";
pub(super) const TOTALS: &str = "SELECT COUNT(*), SUM(GREATEST(amount, 0)), SUM(GREATEST(-amount, 0)) FROM entries
     WHERE generation = ? AND user_id = ? AND created_at >= ? AND created_at < ?";

/// Which entries are read; `None` if none were ever taken over.
pub async fn current(conn: &mut MySqlConnection) -> sqlx::Result<Option<Current>> {
    sqlx::query_as(CURRENT).fetch_optional(conn).await
}

/// At most `limit` entries of `user` before a place, newest first; without one the newest.
pub async fn newest(
    conn: &mut MySqlConnection,
    generation: i32,
    user: UserId,
    before: Option<Place>,
    limit: u32,
) -> sqlx::Result<Vec<Entry>> {
    let Place { created_at, id } = before.unwrap_or(Place::END);
    let query = sqlx::query_as(NEWEST).bind(generation).bind(user).bind(created_at).bind(created_at).bind(id);
    let rows: Vec<Row> = query.bind(limit).fetch_all(conn).await?;
    Ok(rows.into_iter().map(Entry::from).collect())
}

/// The balance of `user` after its last entry strictly before `at`; nothing before the first one.
pub async fn balance_before(
    conn: &mut MySqlConnection,
    generation: i32,
    user: UserId,
    at: DateTime<Utc>,
) -> sqlx::Result<Money> {
    let found: Option<Money> =
        sqlx::query_scalar(BALANCE).bind(generation).bind(user).bind(at).fetch_optional(conn).await?;
    Ok(found.unwrap_or_default())
}

const BALANCE_AT: &str = "SELECT f.true_at,
         (SELECT balance_after FROM entries WHERE generation = f.generation AND user_id = ? AND created_at < ?
          ORDER BY created_at DESC, id DESC LIMIT 1)
     FROM entry_feeds f WHERE f.feed = 'entries'";

/// The same, and before which moment all that was committed counts; `None` if nothing was ever taken over.
pub async fn balance_at(
    conn: &mut MySqlConnection,
    user: UserId,
    at: DateTime<Utc>,
) -> sqlx::Result<Option<(DateTime<Utc>, Option<Money>)>> {
    sqlx::query_as(BALANCE_AT).bind(user).bind(at).fetch_optional(conn).await
}

pub(super) const HAS_ANY: &str = "SELECT 1 FROM entry_accounts WHERE generation = ? AND user_id = ?";

/// True if `user` ever had an entry.
pub async fn has_any(conn: &mut MySqlConnection, generation: i32, user: UserId) -> sqlx::Result<bool> {
    Ok(sqlx::query_scalar::<_, i64>(HAS_ANY).bind(generation).bind(user).fetch_optional(conn).await?.is_some())
}

/// What a user's entries from a moment to another add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// The balance before the first one.
    pub opening: Money,
    /// The balance after the last one.
    pub closing: Money,
    /// What came in.
    pub total_in: Money,
    /// What went out, positive.
    pub total_out: Money,
    /// How many there are.
    pub count: i64,
}

/// What the entries of `user` at `from` or later and before `to` add up to. Begin a snapshot for it to be true of one moment.
pub async fn totals(
    conn: &mut MySqlConnection,
    generation: i32,
    user: UserId,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> sqlx::Result<Totals> {
    let opening = balance_before(conn, generation, user, from).await?;
    let closing = if from < to { balance_before(conn, generation, user, to).await? } else { opening };
    let (count, total_in, total_out): (i64, Option<Money>, Option<Money>) =
        sqlx::query_as(TOTALS).bind(generation).bind(user).bind(from).bind(to).fetch_one(conn).await?;
    let (total_in, total_out) = (total_in.unwrap_or_default(), total_out.unwrap_or_default());
    Ok(Totals { opening, closing, total_in, total_out, count })
}

/// The entries of a user at a moment or later and before another, oldest first, in pages of [`PAGE`].
#[derive(Debug)]
pub struct Pages {
    generation: i32,
    user: UserId,
    to: DateTime<Utc>,
    after: Place,
    is_over: bool,
}

impl Pages {
    /// From the beginning.
    pub fn new(generation: i32, user: UserId, (from, to): (DateTime<Utc>, DateTime<Utc>)) -> Self {
        Self { generation, user, to, after: Place::before_all_at(from), is_over: from >= to }
    }

    /// The next page; an empty one is the end. Begin a snapshot for all of them to be of one moment.
    pub async fn next(&mut self, conn: &mut MySqlConnection) -> sqlx::Result<Vec<Entry>> {
        if self.is_over {
            return Ok(Vec::new());
        }
        let Place { created_at, id } = self.after;
        let query = sqlx::query_as(OLDEST).bind(self.generation).bind(self.user).bind(created_at).bind(created_at);
        let rows: Vec<Row> = query.bind(id).bind(self.to).bind(PAGE).fetch_all(conn).await?;
        self.is_over = rows.len() < PAGE as usize;
        let entries: Vec<Entry> = rows.into_iter().map(Entry::from).collect();
        self.after = entries.last().map_or(self.after, Entry::place);
        Ok(entries)
    }
}
