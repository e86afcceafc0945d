//! The totals of each user: as the copies add up at the moment, and as they were last known to be exactly true.
//!
//! Totals change with each page of changes that is taken over, for whoever, so between two pages they may count one change
//! and lack another that came before it. They were exactly true at a moment if all changes up to it were taken over
//! and none after it. A complete run says so for all users whose `changed_to` is not newer, and a request for its
//! own user; before totals that are true change, they are kept as published ones.

use chrono::{DateTime, Utc};
use money::{Money, UserId};
use mysql::{
    Unit,
    bulk::{BulkInsert, literal},
    row,
};
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow, MySqlConnection, Row, mysql::MySqlRow};

use crate::domain::totals::Deltas;

row! {
    /// A user's totals.
    #[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
    pub struct Totals {
        pub total_transactions: i64,
        pub total_spent: Money,
        pub total_received: Money,
        pub last_transaction: Option<DateTime<Utc>>,
    }
}

/// What is known of a user's totals. All moments are those of transaction-service's clock.
#[derive(Debug, Default)]
pub struct Summary {
    /// As the copies add up.
    pub totals: Totals,
    /// The newest change that they count.
    pub changed_to: Option<DateTime<Utc>>,
    /// A request has seen all transactions that were inserted before, less an overlap.
    pub walked_to: Option<DateTime<Utc>>,
    published_at: Option<DateTime<Utc>>,
    published_transactions: Option<i64>,
    published_spent: Option<Money>,
    published_received: Option<Money>,
    published_last: Option<DateTime<Utc>>,
}

impl FromRow<'_, MySqlRow> for Summary {
    fn from_row(row: &MySqlRow) -> sqlx::Result<Self> {
        Ok(Self {
            totals: Totals::from_row(row)?,
            changed_to: row.try_get("changed_to")?,
            walked_to: row.try_get("walked_to")?,
            published_at: row.try_get("published_at")?,
            published_transactions: row.try_get("published_transactions")?,
            published_spent: row.try_get("published_spent")?,
            published_received: row.try_get("published_received")?,
            published_last: row.try_get("published_last")?,
        })
    }
}

/// Keeps the totals that a row has as published ones, if they were exactly true at the moment in `VALUES(published_at)` and
/// nothing newer is published. Assignments are carried out in their order: each sees those before it.
macro_rules! publish {
    () => {
        publish!(
            "VALUES(published_at) IS NOT NULL AND COALESCE(changed_to <= VALUES(published_at), TRUE)
             AND COALESCE(published_at < VALUES(published_at), TRUE)"
        )
    };
    ($true_and_newer:literal) => {
        concat!(
            " ON DUPLICATE KEY UPDATE
              published_transactions = IF(",
            $true_and_newer,
            ", total_transactions, published_transactions), published_spent = IF(",
            $true_and_newer,
            ", total_spent, published_spent), published_received = IF(",
            $true_and_newer,
            ", total_received, published_received), published_last = IF(",
            $true_and_newer,
            ", last_transaction, published_last), published_at = IF(",
            $true_and_newer,
            ", VALUES(published_at), published_at)"
        )
    };
}

const PUBLISH: &str = concat!(
    "INSERT INTO summaries (user_id, published_transactions, published_spent, published_received, published_at,
         total_transactions, total_spent, total_received) VALUES (?, 0, 0, 0, ?, 0, 0, 0)",
    publish!()
);

const ADD: &str = concat!(
    publish!(),
    ", total_transactions = total_transactions + VALUES(total_transactions),
       total_spent = total_spent + VALUES(total_spent), total_received = total_received + VALUES(total_received),
       last_transaction = GREATEST(COALESCE(last_transaction, VALUES(last_transaction)), VALUES(last_transaction)),
       changed_to = GREATEST(COALESCE(changed_to, VALUES(changed_to)), VALUES(changed_to))"
);

impl Summary {
    /// When the totals were exactly true, if that is known; `run_at` is when the last complete run began.
    pub fn true_at(&self, run_at: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        run_at.into_iter().chain(self.published_at).filter(|moment| self.counts_nothing_after(*moment)).max()
    }

    /// True if no change is counted that was made after `moment`.
    pub fn counts_nothing_after(&self, moment: DateTime<Utc>) -> bool {
        self.changed_to.is_none_or(|changed_to| changed_to <= moment)
    }

    /// The last totals of which it is known when they were exactly true.
    pub fn last_true(self, run_at: Option<DateTime<Utc>>) -> Option<(Totals, DateTime<Utc>)> {
        if let Some(moment) = self.true_at(run_at) {
            return Some((self.totals, moment));
        }
        let totals = Totals {
            total_transactions: self.published_transactions?,
            total_spent: self.published_spent?,
            total_received: self.published_received?,
            last_transaction: self.published_last,
        };
        Some((totals, self.published_at?))
    }
}

pub(super) const FIND: &str =
    "SELECT total_transactions, total_spent, total_received, last_transaction, changed_to, walked_to,
            published_at, published_transactions, published_spent, published_received, published_last
     FROM summaries WHERE user_id = ?";

/// What is known of the totals of `user`; zero if it has no transactions.
pub async fn find(conn: &mut MySqlConnection, user: UserId) -> sqlx::Result<Summary> {
    Ok(sqlx::query_as(FIND).bind(user).fetch_optional(conn).await?.unwrap_or_default())
}

/// Every status that a copy may have.
const STATUSES: [&str; 6] = ["scheduled", "processing", "pending", "completed", "failed", "cancelled"];

/// True if `user` is a party to a transaction that was created before `since`. Ids are given out in the order in which transactions are
/// created, so the oldest of each range of an index is enough.
pub async fn has_older(conn: &mut MySqlConnection, user: UserId, since: DateTime<Utc>) -> sqlx::Result<bool> {
    let oldest = |table: &str, range: String| {
        format!("(SELECT transaction_id FROM {table} WHERE {range} ORDER BY transaction_id LIMIT 1)")
    };
    let of_status = |status: &str| {
        ["sender_id", "receiver_id"]
            .map(|party| oldest("transactions", format!("{party} = ? AND status = {}", literal(status))))
    };
    let of_shares = [0, 1].map(|is_open| oldest("transaction_shares", format!("user_id = ? AND is_open = {is_open}")));
    let oldest: Vec<String> = STATUSES.into_iter().flat_map(of_status).chain(of_shares).collect();
    let sql = format!(
        "SELECT 1 FROM ({}) oldest JOIN transactions t ON t.transaction_id = oldest.transaction_id
         WHERE t.created_at < ? LIMIT 1",
        oldest.join(" UNION ALL "),
    );
    let mut query = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql));
    for _ in oldest {
        query = query.bind(user);
    }
    let found = query.bind(since).fetch_optional(conn).await?;
    Ok(found.is_some())
}

/// The totals of `user` were exactly true at `moment`, unless a newer change was counted meanwhile.
pub async fn publish(conn: &mut MySqlConnection, user: UserId, moment: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(PUBLISH).bind(user).bind(moment).execute(conn).await?;
    Ok(())
}

/// All transactions of `user` that were inserted before `moment`, less an overlap, have a copy.
pub async fn walked(conn: &mut MySqlConnection, user: UserId, moment: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("UPDATE summaries SET walked_to = GREATEST(COALESCE(walked_to, ?), ?) WHERE user_id = ?")
        .bind(moment)
        .bind(moment)
        .bind(user)
        .execute(conn)
        .await?;
    Ok(())
}

/// Adds to the totals. Those that were true when the last complete run began, at `run_at`, stay published.
pub fn add(unit: &mut Unit, deltas: &Deltas, run_at: Option<DateTime<Utc>>) {
    let mut insert = BulkInsert::new(
        "INSERT INTO summaries (user_id, published_transactions, published_spent, published_received, published_at,
             total_transactions, total_spent, total_received, last_transaction, changed_to)",
    );
    let zero = || run_at.map_or(mysql::bulk::Value::Null, |_| 0.into());
    for (user, delta) in &deltas.0 {
        insert.row(&[
            user.get().into(),
            zero(),
            zero(),
            zero(),
            run_at.into(),
            delta.transactions.into(),
            delta.spent.into(),
            delta.received.into(),
            delta.last.into(),
            delta.changed_to.into(),
        ]);
    }
    unit.insert(insert.on_duplicate(ADD));
}

/// Looks for the newest transaction that counts for `user`. Few lose one: a sender that does not exist, and copies that were
/// made before it was known for whom they count.
pub async fn find_last(conn: &mut MySqlConnection, user: UserId) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE summaries SET last_transaction = (
             SELECT MAX(created_at) FROM (
                 SELECT created_at FROM transactions WHERE sender_id = ? AND counts_for_sender
                 UNION ALL
                 SELECT created_at FROM transactions WHERE receiver_id = ? AND counts_for_receiver
                 UNION ALL
                 SELECT t.created_at FROM transaction_shares s JOIN transactions t ON t.transaction_id = s.transaction_id
                 WHERE s.user_id = ? AND s.counts
             ) AS counted
         ) WHERE user_id = ?",
    )
    .bind(user)
    .bind(user)
    .bind(user)
    .bind(user)
    .execute(conn)
    .await?;
    Ok(())
}
