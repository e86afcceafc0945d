//! Taking entries over: how far the feed has been read, and what was read of it. All of it is written under the lock of the feed's
//! row, so that what two instances read at once is written one after the other.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use money::{Money, UserId};
use mysql::{
    Unit,
    bulk::{BulkInsert, Value, list, literal},
    row,
};
use sqlx::{AssertSqlSafe, MySqlConnection};

use crate::domain::{chain::Account, entry::Entry};

/// Seconds after which a generation that is no longer read goes: longer than any request reads.
pub const RETIRED_AFTER: u32 = 60;
/// Rows that go in one unit of work.
const CLEARED_AT_ONCE: u32 = 2_000;
/// Kinds of entries that other books know too, by their reference.
const REFERRED_TO: [&str; 3] = ["topup", "credit", "debit"];

/// Which reading of the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Reading {
    /// That of the entries that are answered.
    Entries,
    /// That of a rebuild beside them.
    Rebuild,
}

row! {
    /// How far the feed has been read.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Feed {
        /// The generation that is written.
        pub generation: i32,
        /// All operations of the ledger up to this one were taken over; of later ones some may have been.
        pub position: i64,
        /// All that was committed in the ledger before is taken over.
        pub true_at: DateTime<Utc>,
        /// The oldest generation of which there may be rows.
        pub oldest: i32,
    }
}

row! {
    struct AccountRow {
        user_id: UserId,
        entry_id: i64,
        created_at: DateTime<Utc>,
        balance: Money,
    }
}

fn select(reading: Reading) -> String {
    let feed = literal(<&str>::from(reading));
    format!("SELECT generation, position, true_at, oldest FROM entry_feeds WHERE feed = {feed}")
}

/// How far it has been read, if it has been at all.
pub async fn find(conn: &mut MySqlConnection, reading: Reading) -> sqlx::Result<Option<Feed>> {
    sqlx::query_as(AssertSqlSafe(select(reading))).fetch_optional(conn).await
}

/// The same, and nobody else reads on before this unit of work is over.
pub async fn lock(unit: &mut Unit, reading: Reading) -> sqlx::Result<Option<Feed>> {
    Ok(unit.read(select(reading) + " FOR UPDATE").await?.pop())
}

/// Notes the first place of a reading; of a rebuild, in place of one that died.
pub fn begin(unit: &mut Unit, reading: Reading, feed: Feed) {
    let Feed { generation, position, true_at, oldest } = feed;
    let mut insert =
        BulkInsert::new("INSERT INTO entry_feeds (feed, generation, position, true_at, switched_at, oldest)");
    let now = Value::InSeconds(0);
    let name = Value::Text(reading.into());
    insert.row(&[name, generation.into(), position.into(), true_at.into(), now, oldest.into()]);
    unit.insert(match reading {
        Reading::Entries => insert, // of two that find none the second one begins again, and finds it
        Reading::Rebuild => insert.on_duplicate(
            " ON DUPLICATE KEY UPDATE generation = VALUES(generation), position = VALUES(position),
                 true_at = VALUES(true_at)",
        ),
    });
}

/// Notes how far a reading has come that is locked.
pub fn advance(unit: &mut Unit, reading: Reading, position: i64, true_at: DateTime<Utc>) {
    unit.write(format!(
        "UPDATE entry_feeds SET position = {position}, true_at = {} WHERE feed = {}",
        literal(true_at),
        literal(<&str>::from(reading)),
    ));
}

/// Lets the entries of the rebuild of `generation` be read from now on. True as well if they are already, or newer ones: a commit whose
/// answer never came has switched. False if another rebuild has begun in place of this one: nobody knows how far that has come.
pub async fn switch(unit: &mut Unit, generation: i32) -> sqlx::Result<bool> {
    let read = lock(unit, Reading::Entries).await?;
    let Some(rebuilt) = lock(unit, Reading::Rebuild).await?.filter(|rebuilt| rebuilt.generation == generation) else {
        return Ok(read.is_some_and(|read| read.generation >= generation));
    };
    let Feed { position, true_at, .. } = rebuilt;
    unit.write(format!(
        "UPDATE entry_feeds SET generation = {generation}, position = {position}, true_at = {}, switched_at = NOW(6)
         WHERE feed = 'entries'",
        literal(true_at),
    ));
    unit.write("DELETE FROM entry_feeds WHERE feed = 'rebuild'".to_owned());
    Ok(true)
}

/// How far the entries of `users` go.
pub async fn accounts(
    unit: &mut Unit,
    generation: i32,
    users: &BTreeSet<UserId>,
) -> sqlx::Result<BTreeMap<UserId, Account>> {
    if users.is_empty() {
        return Ok(BTreeMap::new());
    }
    let sql = format!(
        "SELECT user_id, entry_id, created_at, balance FROM entry_accounts
         WHERE generation = {generation} AND user_id IN {}",
        list(users.iter().map(|user| user.get())),
    );
    let rows: Vec<AccountRow> = unit.read(sql).await?;
    let account = |row: AccountRow| {
        let AccountRow { user_id, entry_id, created_at, balance } = row;
        (user_id, Account { entry_id, created_at, balance })
    };
    Ok(rows.into_iter().map(account).collect())
}

/// Writes entries, and how far those of their users go then.
pub fn write(unit: &mut Unit, generation: i32, entries: &[Entry], accounts: &BTreeMap<UserId, Account>) {
    let mut all = BulkInsert::new(
        "INSERT INTO entries (generation, user_id, created_at, id, kind, amount, balance_after, counterparty_id,
             transaction_id, reference)",
    );
    let mut referred_to = BulkInsert::new(
        "INSERT INTO entry_references (generation, created_at, entry_id, user_id, kind, amount, reference)",
    );
    let mut changed = BTreeSet::new();
    for entry in entries {
        let (user, kind, reference) =
            (entry.user_id.get().into(), Value::Text(&entry.kind), entry.reference.as_deref());
        let (at, id, amount) = (entry.created_at.into(), entry.id.into(), entry.amount.into());
        all.row(&[
            generation.into(),
            user,
            at,
            id,
            kind,
            amount,
            entry.balance_after.into(),
            entry.counterparty_id.map(UserId::get).into(),
            entry.transaction_id.map(money::TransactionId::get).into(),
            reference.into(),
        ]);
        if let Some(reference) = reference.filter(|_| REFERRED_TO.contains(&&*entry.kind)) {
            referred_to.row(&[generation.into(), at, id, user, kind, amount, Value::Text(reference)]);
        }
        changed.insert(entry.user_id);
    }
    let mut ends = BulkInsert::new("INSERT INTO entry_accounts (generation, user_id, entry_id, created_at, balance)");
    for (user, account) in accounts.iter().filter(|(user, _)| changed.contains(user)) {
        let Account { entry_id, created_at, balance } = *account;
        ends.row(&[generation.into(), user.get().into(), entry_id.into(), created_at.into(), balance.into()]);
    }
    unit.insert(all);
    unit.insert(referred_to);
    unit.insert(ends.on_duplicate(
        " ON DUPLICATE KEY UPDATE entry_id = VALUES(entry_id), created_at = VALUES(created_at),
             balance = VALUES(balance)",
    ));
}

/// The tables that have generations.
const CLEAR: [&str; 3] = [
    "DELETE FROM entries WHERE generation = ? LIMIT ?",
    "DELETE FROM entry_references WHERE generation = ? LIMIT ?",
    "DELETE FROM entry_accounts WHERE generation = ? LIMIT ?",
];
const RETIRED: &str = "SELECT oldest FROM entry_feeds
     WHERE feed = 'entries' AND oldest < generation AND switched_at < NOW(6) - INTERVAL ? SECOND";

/// A generation of which there may be rows, and that nobody reads or writes any more.
pub async fn retired(conn: &mut MySqlConnection) -> sqlx::Result<Option<i32>> {
    sqlx::query_scalar(RETIRED).bind(RETIRED_AFTER).fetch_optional(conn).await
}

/// Deletes a part of a retired generation.
pub async fn clear(conn: &mut MySqlConnection, generation: i32) -> sqlx::Result<()> {
    let mut cleared = 0;
    for sql in CLEAR {
        let rows = sqlx::query(sql).bind(generation).bind(CLEARED_AT_ONCE).execute(&mut *conn).await?;
        cleared += rows.rows_affected();
    }
    if cleared == 0 {
        sqlx::query("UPDATE entry_feeds SET oldest = ? WHERE feed = 'entries' AND oldest = ?")
            .bind(generation + 1)
            .bind(generation)
            .execute(conn)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use lab::database::database;

    use super::*;
    use crate::store::migrations::migrations;

    #[tokio::test]
    async fn only_the_rebuild_that_came_to_its_end_is_switched_to() {
        let database = database().await;
        let pool = database.pool();
        mysql::migrate(&pool, migrations()).await.unwrap();
        let feed = |generation, position| Feed { generation, position, true_at: DateTime::UNIX_EPOCH, oldest: 1 };
        let begin_both = async |rebuilt: Feed| {
            let mut tx = mysql::begin(&pool, fault::Point::new("test")).await.unwrap();
            if lock(&mut tx, Reading::Entries).await.unwrap().is_none() {
                begin(&mut tx, Reading::Entries, feed(1, 90));
            }
            begin(&mut tx, Reading::Rebuild, rebuilt);
            tx.commit().await.unwrap();
        };
        let switched = async |generation| {
            let mut tx = mysql::begin(&pool, fault::Point::new("test")).await.unwrap();
            let is_read = switch(&mut tx, generation).await.unwrap();
            tx.commit().await.unwrap();
            let read = find(&mut pool.acquire().await.unwrap(), Reading::Entries).await.unwrap().unwrap();
            (is_read, read.generation, read.position)
        };
        begin_both(feed(3, 40)).await;
        assert_eq!(switched(2).await, (false, 1, 90), "another instance has begun anew");
        begin_both(feed(3, 95)).await;
        assert_eq!(switched(3).await, (true, 3, 95));
        assert_eq!(switched(3).await, (true, 3, 95), "it is read already");
        begin_both(feed(4, 5)).await;
        assert_eq!(switched(3).await, (true, 3, 95), "and the next one has not come to its end");
        assert_eq!(switched(4).await, (true, 4, 5));
        assert_eq!(switched(3).await, (true, 4, 5), "what is newer has all that this one had");
    }
}
