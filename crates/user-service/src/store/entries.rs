//! What others keep a copy of the ledger by: its operations with their legs, in the order of their ids, by primary keys alone.
//!
//! An id is given when the row is inserted and shows when its transaction commits, so there are gaps: some are filled later, others,
//! which were rolled back, never.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use money::{Money, TransactionId, UserId};
use mysql::row;
use sqlx::{MySqlConnection, QueryBuilder};

use crate::domain::{
    book::LedgerAccount,
    entries::{Leg, Posted},
};

row! {
    /// An operation, and its age.
    #[derive(Debug)]
    pub struct Operation {
        pub id: i64,
        pub kind: String,
        pub transaction_id: Option<TransactionId>,
        /// The user whose balance was answered.
        pub user_id: Option<UserId>,
        pub note: Option<String>,
        pub created_at: DateTime<Utc>,
        /// In microseconds, on the clock that has set `created_at`.
        pub age: i64,
    }
}

impl From<Operation> for Posted {
    fn from(row: Operation) -> Self {
        let Operation { id, kind, transaction_id, note, created_at, .. } = row;
        Self { id, kind, transaction_id, note, created_at }
    }
}

row! {
    struct LegRow {
        operation_id: i64,
        place: i64,
        account: LedgerAccount,
        user_id: UserId,
        amount: Money,
        balance_after: Option<Money>,
        transaction_id: Option<TransactionId>,
        is_fee: Option<bool>,
    }
}

const OPERATIONS: &str = "SELECT id, kind, transaction_id, user_id, note, created_at,
            TIMESTAMPDIFF(MICROSECOND, created_at, NOW(6)) AS age
     FROM operations WHERE id > ? ORDER BY id LIMIT ?";
const LEGS: &str =
    "SELECT operation_id, CAST(leg AS SIGNED) AS place, account, user_id, amount, balance_after, transaction_id, is_fee
     FROM ledger_entries WHERE operation_id > ? AND operation_id <= ? ORDER BY operation_id, leg LIMIT ?";
const RECEIVERS: &str =
    "SELECT transaction_id, receiver_id FROM holds WHERE receiver_id IS NOT NULL AND transaction_id IN ";
// a row that is inserted and not committed is locked; whoever finds it so does not wait for it
const GAP: &str = "SELECT id FROM operations WHERE id > ? AND id < ? LIMIT 1 FOR UPDATE NOWAIT";

/// At most `limit` operations after `position`.
pub async fn operations(conn: &mut MySqlConnection, position: i64, limit: u32) -> sqlx::Result<Vec<Operation>> {
    sqlx::query_as(OPERATIONS).bind(position).bind(limit).fetch_all(conn).await
}

/// The legs of the operations after `first` and up to `last`, by operation. If they are more than `most`, only those of the first few
/// operations, of one at least, and the last of these.
pub async fn legs(
    conn: &mut MySqlConnection,
    first: i64,
    last: i64,
    most: u32,
) -> sqlx::Result<(HashMap<i64, Vec<Leg>>, Option<i64>)> {
    let mut rows = read_legs(conn, first, last, most).await?;
    let mut end = None;
    if let (Some(begun), Some(cut)) = (rows.first(), rows.last())
        && rows.len() == most as usize
    {
        let (begun, cut) = (begun.operation_id, cut.operation_id);
        if begun == cut {
            rows = read_legs(conn, cut - 1, cut, u32::MAX).await?;
            end = Some(cut);
        } else {
            rows.retain(|row| row.operation_id < cut);
            end = Some(cut - 1);
        }
    }
    Ok((by_operation(rows), end))
}

async fn read_legs(conn: &mut MySqlConnection, first: i64, last: i64, most: u32) -> sqlx::Result<Vec<LegRow>> {
    sqlx::query_as(LEGS).bind(first).bind(last).bind(most).fetch_all(conn).await
}

fn by_operation(rows: Vec<LegRow>) -> HashMap<i64, Vec<Leg>> {
    let mut legs: HashMap<i64, Vec<Leg>> = HashMap::new();
    for row in rows {
        let LegRow { place, account, user_id, amount, balance_after, transaction_id, .. } = row;
        let is_fee = row.is_fee == Some(true);
        let leg = Leg { place, account, user_id, amount, balance_after, transaction_id, is_fee };
        legs.entry(row.operation_id).or_default().push(leg);
    }
    legs
}

/// To whom the money of `transactions` is to go, the first of several.
pub async fn receivers(
    conn: &mut MySqlConnection,
    transactions: &[TransactionId],
) -> sqlx::Result<HashMap<TransactionId, UserId>> {
    if transactions.is_empty() {
        return Ok(HashMap::new());
    }
    let mut query = QueryBuilder::new(RECEIVERS);
    mysql::push_list(&mut query, transactions.iter().copied());
    let rows: Vec<(TransactionId, UserId)> = query.build_query_as().fetch_all(conn).await?;
    Ok(rows.into_iter().collect())
}

/// True if there is no operation between two ids, not even one that is not committed.
pub async fn is_empty_between(conn: &mut MySqlConnection, after: i64, before: i64) -> sqlx::Result<bool> {
    let found = sqlx::query_scalar::<_, i64>(GAP).bind(after).bind(before).fetch_optional(conn).await;
    match found {
        Ok(found) => Ok(found.is_none()),
        Err(error) if mysql::is_locked(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// This moment, on the clock that sets `created_at`, and by how much ids grow.
pub async fn now(conn: &mut MySqlConnection) -> sqlx::Result<(DateTime<Utc>, i64)> {
    sqlx::query_as("SELECT NOW(6), CAST(@@auto_increment_increment AS SIGNED)").fetch_one(conn).await
}

#[cfg(test)]
mod tests {
    use lab::{database::database, plan::assert_by_index};
    use mysql::bulk::{BulkInsert, Value};
    use sqlx::AssertSqlSafe;

    use super::*;

    /// Enough for a whole scan to be dearer than an index.
    const OPERATIONS_STORED: i64 = 20_000;

    async fn fill(conn: &mut MySqlConnection) {
        for first in (1..=OPERATIONS_STORED).step_by(1_000) {
            let mut operations = BulkInsert::new(
                "INSERT INTO operations (id, reference, fingerprint, kind, transaction_id, user_id, actor)",
            );
            let mut legs = BulkInsert::new(
                "INSERT INTO ledger_entries (operation_id, leg, account, user_id, amount, balance_after)",
            );
            let mut holds = BulkInsert::new("INSERT INTO holds (transaction_id, sender_id, receiver_id, amount)");
            for id in first..first + 1_000 {
                let reference = format!("transaction:{id}:1");
                let (one, text) = (Value::Integer(1), Value::Text);
                operations.row(&[
                    id.into(),
                    text(&reference),
                    Value::Bytes(&[0; 32]),
                    text("transfer"),
                    id.into(),
                    one,
                    text("a"),
                ]);
                legs.row(&[id.into(), 0.into(), text("available"), one, one, one]);
                legs.row(&[id.into(), 1.into(), text("available"), 2.into(), one, one]);
                holds.row(&[id.into(), one, 2.into(), one]);
            }
            for insert in [operations, legs, holds] {
                insert.execute(conn).await.unwrap();
            }
        }
        sqlx::raw_sql("ANALYZE TABLE operations, ledger_entries, holds").execute(conn).await.unwrap();
    }

    #[tokio::test]
    async fn the_feed_reads_by_primary_keys_alone() {
        let database = database().await;
        let pool = database.pool();
        mysql::migrate(&pool, crate::store::migrations::migrations()).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        fill(&mut conn).await;
        let explained = |sql: &str| AssertSqlSafe(format!("EXPLAIN FORMAT=TRADITIONAL {sql}"));
        for (sql, values) in [
            (OPERATIONS, &[0, 2_000][..]),
            (OPERATIONS, &[OPERATIONS_STORED - 100, 2_000]),
            (LEGS, &[1_000, 3_000, 20_000]),
            (GAP, &[1_000, 1_004]),
        ] {
            let query = values.iter().fold(sqlx::query(explained(sql)), sqlx::query::Query::bind);
            assert_by_index(&query.fetch_all(&mut *conn).await.unwrap(), &["PRIMARY"], sql);
        }
        // two legs each: a page has whole operations, and one at least
        for (most, operations, end) in
            [(100, 49, Some(1_049)), (101, 50, Some(1_050)), (1, 1, Some(1_001)), (401, 200, None)]
        {
            let (legs, found) = legs(&mut conn, 1_000, 1_200, most).await.unwrap();
            assert_eq!((legs.len(), found), (operations, end), "{most}");
            assert!(legs.values().all(|legs| legs.len() == 2));
        }
        let transactions: Vec<TransactionId> = (1..=300).map(|id| (id * 17).try_into().unwrap()).collect();
        let mut query = QueryBuilder::new(explained(RECEIVERS).0);
        mysql::push_list(&mut query, transactions.iter().copied());
        assert_by_index(&query.build().fetch_all(&mut *conn).await.unwrap(), &["PRIMARY"], RECEIVERS);
    }
}
