//! What is due, on the database's clock.

use mysql::row;
use sqlx::MySqlConnection;

row! {
    /// What there is of each kind.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Due {
        /// A step whose outcome was not stored, or an atomic batch.
        pub overdue: bool,
        /// A pending transaction whose time is over.
        pub expired: bool,
        /// A scheduled transaction whose time has come.
        pub begins: bool,
        /// A schedule whose date has come.
        pub runs: bool,
    }
}

const LOOK: &str = "SELECT
    EXISTS(SELECT 1 FROM transactions WHERE status = 'processing' AND due_at <= NOW(6))
        OR EXISTS(SELECT 1 FROM batches WHERE due_at <= NOW(6)) AS overdue,
    EXISTS(SELECT 1 FROM transactions WHERE status = 'pending' AND due_at <= NOW(6)) AS expired,
    EXISTS(SELECT 1 FROM transactions WHERE status = 'scheduled' AND due_at <= NOW(6)) AS begins,
    EXISTS(SELECT 1 FROM schedules WHERE due_at <= NOW(6)) AS runs";

/// Looks for each kind, by the indexes that have it in the order of its time.
pub async fn look(conn: &mut MySqlConnection) -> sqlx::Result<Due> {
    sqlx::query_as(LOOK).fetch_one(conn).await
}

#[cfg(test)]
mod tests {
    use lab::plan::within;

    use super::*;
    use crate::store::testing::filled_database;

    #[tokio::test]
    async fn a_look_costs_a_row_of_each_kind_at_most() {
        let database = filled_database().await;
        let mut conn = database.pool().acquire().await.unwrap();
        let nothing = Due { overdue: false, expired: false, begins: false, runs: false };
        // a table that is opened for the first time costs the reading of its statistics
        look(&mut conn).await.unwrap();
        assert_eq!(within(&mut conn, "nothing is due", 5, async |conn| look(conn).await).await, nothing);
        for (status, due) in [
            ("processing", Due { overdue: true, ..nothing }),
            ("pending", Due { expired: true, ..nothing }),
            ("scheduled", Due { begins: true, ..nothing }),
        ] {
            let sql = "UPDATE transactions SET status = ?, verb = IF(? = 'processing', 'hold', NULL), due_at = NOW(6)";
            sqlx::query(sql).bind(status).bind(status).execute(&mut *conn).await.unwrap();
            sqlx::raw_sql("ANALYZE TABLE transactions").execute(&mut *conn).await.unwrap();
            assert_eq!(within(&mut conn, status, 5, async |conn| look(conn).await).await, due);
        }
    }
}
