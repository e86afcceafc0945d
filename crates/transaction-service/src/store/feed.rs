//! What report-service keeps its copy by: the feed of changes, oldest first, and the transactions of one user.
//!
//! `changed_at` is set when a statement runs and shows when its transaction commits, so rows may appear behind a
//! reader's cursor: the reader goes back by an overlap. Hidden transactions are always included.

use chrono::{DateTime, Utc};
use money::{TransactionId, UserId};
use sqlx::MySqlConnection;

use super::columns;
use crate::domain::transaction::Transaction;

/// Where a reader of the feed stands.
#[derive(Debug, Clone, Copy)]
pub struct Position {
    pub changed_at: DateTime<Utc>,
    pub id: i64,
}

/// How often a page is read to find a moment at which it was true.
const MOMENTS: u32 = 5;

const CHANGES: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM transactions WHERE changed_at >= ? AND (changed_at > ? OR id > ?) ORDER BY changed_at, id LIMIT ?"
);
const NEWEST: &str = concat!("SELECT ", columns!(), " FROM transactions ORDER BY changed_at DESC, id DESC LIMIT 1");
// one index range for each role, and one for shares beyond the first, merged by the caller: the server would sort all of them. It is one
// statement, so that all are of one moment
const OF_USER: &str = concat!(
    "(SELECT ",
    columns!(),
    " FROM transactions WHERE sender_id = ? AND id < ? ORDER BY id DESC LIMIT ?)
     UNION ALL
     (SELECT ",
    columns!(),
    " FROM transactions WHERE receiver_id = ? AND id < ? ORDER BY id DESC LIMIT ?)
     UNION ALL
     (SELECT ",
    columns!(),
    " FROM (SELECT id AS shared_id FROM transaction_shares WHERE user_id = ? AND id < ? ORDER BY id DESC LIMIT ?) AS shared
      STRAIGHT_JOIN transactions ON id = shared_id)"
);

/// At most `limit` transactions after `position`, in the order of their last change.
pub async fn changes(conn: &mut MySqlConnection, position: Position, limit: u32) -> sqlx::Result<Vec<Transaction>> {
    let Position { changed_at, id } = position;
    sqlx::query_as(CHANGES).bind(changed_at).bind(changed_at).bind(id).bind(limit).fetch_all(conn).await
}

/// The transaction that changed last.
pub async fn newest(conn: &mut MySqlConnection) -> sqlx::Result<Option<Transaction>> {
    sqlx::query_as(NEWEST).fetch_optional(conn).await
}

/// This moment, on the clock that sets `changed_at`.
pub async fn now(conn: &mut MySqlConnection) -> sqlx::Result<DateTime<Utc>> {
    sqlx::query_scalar("SELECT NOW(6)").fetch_one(conn).await
}

/// The first page of [`of_user`], and a moment at which exactly it was true: each row that was committed by then is as it
/// was then. If `user`'s transactions change so quickly that there is no such moment, some rows are newer.
pub async fn newest_of_user(
    conn: &mut MySqlConnection,
    user: UserId,
    limit: u32,
) -> sqlx::Result<(Vec<Transaction>, DateTime<Utc>)> {
    let mut attempts = 0;
    loop {
        let moment = now(conn).await?;
        let rows = of_user(conn, user, None, limit).await?;
        attempts += 1;
        if attempts == MOMENTS || rows.iter().all(|row| row.changed_at <= moment) {
            return Ok((rows, moment));
        }
    }
}

/// At most `limit` transactions that `user` sent or received, with an id below `before`, newest first, as they were at one
/// moment.
pub async fn of_user(
    conn: &mut MySqlConnection,
    user: UserId,
    before: Option<TransactionId>,
    limit: u32,
) -> sqlx::Result<Vec<Transaction>> {
    let before = before.map_or(i64::MAX, TransactionId::get);
    let mut query = sqlx::query_as(OF_USER);
    for _role in 0..3 {
        query = query.bind(user).bind(before).bind(limit);
    }
    let mut rows: Vec<Transaction> = query.fetch_all(conn).await?;
    rows.sort_by_key(|row| std::cmp::Reverse(row.id));
    rows.truncate(limit as usize);
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use lab::plan::{assert_by_index, text};
    use sqlx::{AssertSqlSafe, mysql::MySqlRow};

    use super::*;
    use crate::store::{
        testing::{filled_database, time},
        transactions::{THOSE, with_ids},
    };

    #[tokio::test]
    async fn nothing_here_scans_the_table_or_sorts() {
        let database = filled_database().await;
        let mut conn = database.pool().acquire().await.unwrap();
        let explained = |sql: &str| AssertSqlSafe(format!("EXPLAIN FORMAT=TRADITIONAL {sql}"));

        for since in [0, 10_000, 19_000] {
            let since = time(since);
            let query = sqlx::query(explained(CHANGES)).bind(since).bind(since).bind(77).bind(1_000);
            assert_uses(&query.fetch_all(&mut *conn).await.unwrap(), "transactions_changed");
        }
        for (before, limit) in [(i64::MAX, 50), (i64::MAX, 1_000), (9_000, 1_000)] {
            let query = sqlx::query(explained(OF_USER)).bind(7).bind(before).bind(limit);
            let query = query.bind(7).bind(before).bind(limit).bind(7).bind(before).bind(limit);
            let steps = query.fetch_all(&mut *conn).await.unwrap();
            // but for what was just read, and the table of shares: it is empty, and any plan is good for that
            let counts =
                |step: &MySqlRow| !text(step, "table").starts_with('<') && text(step, "table") != "transaction_shares";
            let steps: Vec<MySqlRow> = steps.into_iter().filter(counts).collect();
            assert_by_index(&steps, &["transactions_of_sender", "transactions_of_receiver", "PRIMARY"], "of a user");
        }
        for count in [1, 1_000] {
            let ids: Vec<TransactionId> = (1..=count).map(|n| (n * 17).try_into().unwrap()).collect();
            let mut query = with_ids(&explained(THOSE).0, &ids);
            assert_uses(&query.build().fetch_all(&mut *conn).await.unwrap(), "PRIMARY");
        }
        let newest = sqlx::raw_sql(explained(NEWEST)).fetch_all(&mut *conn).await.unwrap();
        assert_eq!((newest.len(), text(&newest[0], "key").as_str()), (1, "transactions_changed"));
        assert_eq!(text(&newest[0], "rows"), "1", "the index is read from its end, for one row");
    }

    #[track_caller]
    fn assert_uses(steps: &[MySqlRow], index: &str) {
        assert_eq!(steps.len(), 1, "{index}");
        assert_by_index(steps, &[index], index);
    }
}
