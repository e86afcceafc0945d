//! What all accounts have together.

use chrono::{DateTime, Utc};
use money::Money;
use mysql::row;
use sqlx::{Connection, Executor, MySqlConnection};

/// Account numbers that one statement adds up, so that none takes long.
pub const STRETCH: i64 = 50_000;

const SUM: &str = "SELECT COUNT(IF(state <> 'closed', 1, NULL)) AS users, COALESCE(SUM(available + held), 0) AS money
     FROM accounts WHERE user_id > ? AND user_id <= ?";

row! {
    /// What all accounts have together.
    #[derive(Debug, Clone, Copy, Default)]
    pub struct Totals {
        /// How many of them are not closed.
        pub users: i64,
        /// What can be spent, and what is set aside.
        pub money: Money,
    }
}

/// The totals at one moment, and the moment on the database's clock. It reads every account once, stretch by stretch.
pub async fn add_up(conn: &mut MySqlConnection) -> sqlx::Result<(Totals, DateTime<Utc>)> {
    // the moment comes first: whatever was committed by then is in the snapshot
    let moment = sqlx::query_scalar("SELECT NOW(6)").fetch_one(&mut *conn).await?;
    conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
    let mut snapshot = conn.begin_with("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await?;
    let last: Option<i64> = sqlx::query_scalar("SELECT MAX(user_id) FROM accounts").fetch_one(&mut *snapshot).await?;
    let (mut sum, mut after) = (Totals::default(), 0);
    while after < last.unwrap_or_default() {
        let next = after + STRETCH;
        let Totals { users, money } = sqlx::query_as(SUM).bind(after).bind(next).fetch_one(&mut *snapshot).await?;
        sum = Totals { users: sum.users + users, money: sum.money + money };
        after = next;
    }
    snapshot.rollback().await?;
    Ok((sum, moment))
}

#[cfg(test)]
mod tests {
    use lab::{database::database, plan::assert_by_index};
    use mysql::bulk::BulkInsert;
    use sqlx::AssertSqlSafe;

    use super::*;

    /// Enough for a whole scan to be dearer than an index.
    const ACCOUNTS: i64 = 10_000;

    #[tokio::test]
    async fn a_stretch_reads_its_accounts_alone_and_all_of_them_add_up() {
        let database = database().await;
        let pool = database.pool();
        mysql::migrate(&pool, crate::store::migrations::migrations()).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        assert_eq!(add_up(&mut conn).await.unwrap().0.users, 0);
        // every tenth number is no account's, and the last accounts are in a stretch of their own
        let numbers = |n: i64| if n > ACCOUNTS - 10 { n + STRETCH } else { n };
        for first in (1..=ACCOUNTS).step_by(1_000) {
            let mut insert = BulkInsert::new("INSERT INTO accounts (user_id, available, held, state)");
            for n in (first..first + 1_000).filter(|n| n % 10 != 0) {
                let (state, left) = if n % 10 == 1 { ("closed", 0) } else { ("active", 1) };
                insert.row(&[numbers(n).into(), left.into(), (2 * left).into(), state.into()]);
            }
            insert.execute(&mut conn).await.unwrap();
        }
        sqlx::raw_sql("ANALYZE TABLE accounts").execute(&mut *conn).await.unwrap();
        let (Totals { users, money }, _) = add_up(&mut conn).await.unwrap();
        assert_eq!((users, money), (ACCOUNTS / 10 * 8, (ACCOUNTS / 10 * 8 * 3).into()));
        let steps = sqlx::query(AssertSqlSafe(format!("EXPLAIN FORMAT=TRADITIONAL {SUM}"))).bind(2_000).bind(2_500);
        assert_by_index(&steps.fetch_all(&mut *conn).await.unwrap(), &["PRIMARY"], "a stretch");
    }
}
