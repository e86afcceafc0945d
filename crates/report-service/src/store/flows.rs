//! What came in and went out, for charts.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use money::{Money, TransactionId};
use mysql::{push_list, row};
use sqlx::{AssertSqlSafe, MySqlConnection, QueryBuilder};

use super::entries::moment;
use crate::domain::{change::Status, entry::Whose};

row! {
    /// What came in and went out in a stretch: by all that is certain, or by one transaction that is not.
    #[derive(Debug, Clone)]
    pub struct Flow {
        /// Which stretch, from 0.
        pub stretch: i64,
        /// The transaction, if it may be open, or may have begun before all stretches.
        pub transaction_id: Option<TransactionId>,
        pub money_in: Money,
        pub money_out: Money,
        /// When its copy says that it was created; `None` without a copy.
        pub created_at: Option<DateTime<Utc>>,
        /// The status of its copy.
        pub status: Option<Status>,
        /// When it was settled, by its copy.
        pub settled_at: Option<DateTime<Utc>>,
    }
}

/// Each transaction comes to what it has moved altogether, in the stretch in which it began. What is of no transaction counts by itself.
const NETS: &str = "SELECT transaction_id, MIN(created_at) AS began, SUM(amount) AS net FROM entries
         WHERE generation = ? AND user_id = ? AND created_at >= ? AND created_at < ?
         GROUP BY COALESCE(transaction_id, -id), transaction_id";
/// Whether its copy leaves in doubt how, and where, a transaction counts.
const IS_DOUBTFUL: &str = "n.transaction_id IS NOT NULL AND (
             t.transaction_id IS NULL OR t.status NOT IN ('completed', 'failed', 'cancelled')
             OR t.settled_at > ? OR t.created_at < ?)";
/// Transactions that a statement names.
const AT_ONCE: usize = 4_096;

/// Which flows.
#[derive(Debug)]
pub struct Asked<'a> {
    pub generation: i32,
    pub whose: Whose,
    /// The ends of the stretches, ascending; the first one is where they begin.
    pub bounds: &'a [DateTime<Utc>],
    /// A transaction that was settled later was open then.
    pub at: DateTime<Utc>,
    /// A transaction that was created earlier may have begun before all stretches.
    pub created_from: DateTime<Utc>,
}

/// What came in and went out in each stretch, at most `limit` rows: what is certain comes first.
pub async fn flows(conn: &mut MySqlConnection, asked: &Asked<'_>, limit: usize) -> sqlx::Result<Vec<Flow>> {
    let [first, later @ ..] = asked.bounds else { return Ok(Vec::new()) };
    let Some(last) = later.last() else { return Ok(Vec::new()) };
    let mut query = sqlx::query_as(AssertSqlSafe(sql(later.len())));
    for bound in later {
        query = query.bind(moment(*bound));
    }
    query = query.bind(moment(asked.at)).bind(moment(asked.created_from)).bind(asked.generation).bind(asked.whose.user);
    query.bind(moment((*first).max(asked.whose.since))).bind(moment(*last)).bind(limit as u64).fetch_all(conn).await
}

/// The statement for so many stretches.
fn sql(stretches: usize) -> String {
    let cases: Vec<String> = (0..stretches).map(|index| format!("WHEN n.began < ? THEN {index}")).collect();
    let cases = cases.join(" ");
    format!(
        "SELECT f.stretch, f.doubtful AS transaction_id, SUM(GREATEST(f.net, 0)) AS money_in,
             SUM(GREATEST(-f.net, 0)) AS money_out, MAX(f.created_at) AS created_at, MAX(f.status) AS status,
             MAX(f.settled_at) AS settled_at
         FROM (SELECT CASE {cases} END AS stretch, IF({IS_DOUBTFUL}, n.transaction_id, NULL) AS doubtful, n.net,
                   t.created_at, t.status, t.settled_at
               FROM ({NETS}) n LEFT JOIN transactions t ON t.transaction_id = n.transaction_id
               WHERE n.net <> 0) f
         GROUP BY f.doubtful, f.stretch ORDER BY f.doubtful LIMIT ?"
    )
}

/// Those of `transactions` that have moved money of `user` from one moment to another.
pub async fn moved(
    conn: &mut MySqlConnection,
    asked: &Asked<'_>,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    transactions: &[TransactionId],
) -> sqlx::Result<HashSet<TransactionId>> {
    let mut moved = HashSet::new();
    for some in transactions.chunks(AT_ONCE) {
        let mut query = QueryBuilder::new("SELECT DISTINCT transaction_id FROM entries WHERE generation = ");
        query.push_bind(asked.generation).push(" AND user_id = ").push_bind(asked.whose.user);
        query.push(" AND created_at >= ").push_bind(moment(from)).push(" AND created_at < ").push_bind(moment(to));
        push_list(query.push(" AND transaction_id IN "), some.iter().copied());
        let found: Vec<TransactionId> = query.build_query_scalar().fetch_all(&mut *conn).await?;
        moved.extend(found);
    }
    Ok(moved)
}
