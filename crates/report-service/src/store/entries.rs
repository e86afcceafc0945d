//! What is read of the entries. All reads of an answer that must agree with each other take one snapshot, which their caller begins.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDateTime, Utc};
use money::{Money, TransactionId, UserId};
use mysql::{push_list, row};
use sqlx::{MySql, MySqlConnection, QueryBuilder};

use crate::domain::entry::{Entry, Place, Whose};

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
    " FROM entries WHERE generation = ? AND user_id = ? AND created_at >= ? AND created_at <= ?
          AND (created_at < ? OR id < ?)
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
     WHERE generation = ? AND user_id = ? AND created_at >= ? AND created_at < ?
     ORDER BY created_at DESC, id DESC LIMIT 1";
pub(super) const TOTALS: &str = "SELECT COUNT(*), SUM(GREATEST(amount, 0)), SUM(GREATEST(-amount, 0)) FROM entries
     WHERE generation = ? AND user_id = ? AND created_at >= ? AND created_at < ?";

/// As a value of a DATETIME: a TIMESTAMP, which the driver makes of a moment, has no year before 1970 or after 2106.
pub(super) fn moment(moment: DateTime<Utc>) -> NaiveDateTime {
    moment.naive_utc()
}

/// Which entries are read; `None` if none were ever taken over.
pub async fn current(conn: &mut MySqlConnection) -> sqlx::Result<Option<Current>> {
    sqlx::query_as(CURRENT).fetch_optional(conn).await
}

/// At most `limit` entries before a place, newest first; without one the newest.
pub async fn newest(
    conn: &mut MySqlConnection,
    generation: i32,
    Whose { user, since }: Whose,
    before: Option<Place>,
    limit: u32,
) -> sqlx::Result<Vec<Entry>> {
    let Place { created_at, id } = before.unwrap_or(Place::END);
    let query = sqlx::query_as(NEWEST).bind(generation).bind(user).bind(moment(since));
    let query = query.bind(moment(created_at)).bind(moment(created_at)).bind(id);
    let rows: Vec<Row> = query.bind(limit).fetch_all(conn).await?;
    Ok(rows.into_iter().map(Entry::from).collect())
}

/// The balance after the last entry strictly before `at`; nothing before the first one.
pub async fn balance_before(
    conn: &mut MySqlConnection,
    generation: i32,
    Whose { user, since }: Whose,
    at: DateTime<Utc>,
) -> sqlx::Result<Money> {
    let query = sqlx::query_scalar(BALANCE).bind(generation).bind(user);
    let found: Option<Money> = query.bind(moment(since)).bind(moment(at)).fetch_optional(conn).await?;
    Ok(found.unwrap_or_default())
}

/// Balances that one query looks up, at most.
pub const MOST_BALANCES: usize = 128;

/// Whose balance, and at which moment.
pub type BalanceKey = (Whose, DateTime<Utc>);

/// What is known of a user's balance at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BalanceAt {
    /// What was asked for.
    pub key: BalanceKey,
    /// Among which entries.
    pub current: Current,
    /// The balance after the last entry strictly before the moment, if there is one.
    pub balance: Option<Money>,
    /// True if the user ever had an entry, or is known to be there.
    pub is_known: bool,
}

/// What is known of the balances `keys`, at most [`MOST_BALANCES`]; nothing if nothing was ever taken over.
pub async fn balances_at(conn: &mut MySqlConnection, keys: &[BalanceKey]) -> sqlx::Result<Vec<BalanceAt>> {
    let Some(current) = current(conn).await? else { return Ok(Vec::new()) };
    let found = newest_of_each(conn, current.generation, keys).await?;
    let is_missing = (0..).zip(keys).any(|(place, _)| !found.contains_key(&place));
    let known: HashSet<UserId> = if is_missing {
        let mut query = known(current.generation, keys);
        query.build_query_scalar().fetch_all(conn).await?.into_iter().collect()
    } else {
        HashSet::new()
    };
    let answer = |(place, key): (i64, &BalanceKey)| {
        let balance = found.get(&place).copied();
        BalanceAt { key: *key, current, balance, is_known: balance.is_some() || known.contains(&key.0.user) }
    };
    Ok((0..).zip(keys).map(answer).collect())
}

/// The balances after the last entries strictly before each of `moments`; nothing before the first one.
pub async fn balances_before(
    conn: &mut MySqlConnection,
    generation: i32,
    whose: Whose,
    moments: &[DateTime<Utc>],
) -> sqlx::Result<Vec<Money>> {
    let mut balances = Vec::with_capacity(moments.len());
    for moments in moments.chunks(MOST_BALANCES) {
        let keys: Vec<BalanceKey> = moments.iter().map(|at| (whose, *at)).collect();
        let found = newest_of_each(conn, generation, &keys).await?;
        balances.extend((0..).zip(&keys).map(|(place, _)| found.get(&place).copied().unwrap_or_default()));
    }
    Ok(balances)
}

/// The balance after the newest entry of each of `keys` that has one, by its place among them; places behind the last one may be found
/// too. Each is a query of its own, since no server finds all by their index otherwise; their number is rounded up, so that a few
/// prepared statements do for all.
async fn newest_of_each(
    conn: &mut MySqlConnection,
    generation: i32,
    keys: &[BalanceKey],
) -> sqlx::Result<HashMap<i64, Money>> {
    let mut query = QueryBuilder::new("");
    let last = keys.last().map(|key| std::iter::repeat_n(key, keys.len().next_power_of_two() - keys.len()));
    for (place, (Whose { user, since }, at)) in keys.iter().chain(last.into_iter().flatten()).enumerate() {
        query.push(if place == 0 { "" } else { " UNION ALL " });
        query.push(format_args!("(SELECT {place}, balance_after FROM entries WHERE generation = "));
        query.push_bind(generation).push(" AND user_id = ").push_bind(*user);
        query.push(" AND created_at >= ").push_bind(moment(*since));
        query.push(" AND created_at < ").push_bind(moment(*at));
        query.push(" ORDER BY created_at DESC, id DESC LIMIT 1)");
    }
    let rows: Vec<(i64, Money)> = query.build_query_as().fetch_all(conn).await?;
    Ok(rows.into_iter().collect())
}

/// Those of the users of `keys` who ever had an entry, or are known to be there.
fn known(generation: i32, keys: &[BalanceKey]) -> QueryBuilder<MySql> {
    let users = || keys.iter().map(|(whose, _)| whose.user);
    let mut query = QueryBuilder::new("SELECT user_id FROM entry_accounts WHERE generation = ");
    query.push_bind(generation).push(" AND user_id IN ");
    push_list(&mut query, users());
    query.push(" UNION ALL SELECT user_id FROM users WHERE user_id IN ");
    push_list(&mut query, users());
    query
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

/// What the entries at `from` or later and before `to` add up to. Begin a snapshot for it to be true of one moment.
pub async fn totals(
    conn: &mut MySqlConnection,
    generation: i32,
    whose: Whose,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> sqlx::Result<Totals> {
    let from = from.max(whose.since);
    let opening = balance_before(conn, generation, whose, from).await?;
    let closing = if from < to { balance_before(conn, generation, whose, to).await? } else { opening };
    let user = whose.user;
    let (count, total_in, total_out): (i64, Option<Money>, Option<Money>) =
        sqlx::query_as(TOTALS).bind(generation).bind(user).bind(moment(from)).bind(moment(to)).fetch_one(conn).await?;
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
    pub fn new(generation: i32, whose: Whose, (from, to): (DateTime<Utc>, DateTime<Utc>)) -> Self {
        let Whose { user, since } = whose;
        let from = from.max(since);
        Self { generation, user, to, after: Place::before_all_at(from), is_over: from >= to }
    }

    /// The next page; an empty one is the end. Begin a snapshot for all of them to be of one moment.
    pub async fn next(&mut self, conn: &mut MySqlConnection) -> sqlx::Result<Vec<Entry>> {
        if self.is_over {
            return Ok(Vec::new());
        }
        let Place { created_at, id } = self.after;
        let query = sqlx::query_as(OLDEST)
            .bind(self.generation)
            .bind(self.user)
            .bind(moment(created_at))
            .bind(moment(created_at));
        let rows: Vec<Row> = query.bind(id).bind(moment(self.to)).bind(PAGE).fetch_all(conn).await?;
        self.is_over = rows.len() < PAGE as usize;
        let entries: Vec<Entry> = rows.into_iter().map(Entry::from).collect();
        self.after = entries.last().map_or(self.after, Entry::place);
        Ok(entries)
    }
}

#[cfg(test)]
mod tests;
