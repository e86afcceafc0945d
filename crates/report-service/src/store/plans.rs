//! How the database carries out what a request reads: by index, however large the tables are.

use lab::{database::database, plan::assert_by_index};
use mysql::bulk::{BulkInsert, Value};
use sqlx::{AssertSqlSafe, MySqlConnection};

use super::{copies, overview, reports, summaries};

/// Enough for a whole scan to be dearer than an index.
const TRANSACTIONS: i64 = 20_000;
const USERS: i64 = 40;

#[tokio::test]
async fn nothing_that_a_request_reads_scans_a_table_or_sorts() {
    let database = database().await;
    let pool = database.pool();
    mysql::migrate(&pool, crate::store::migrations::migrations()).await.unwrap();
    let mut conn = pool.acquire().await.unwrap();
    fill(&mut conn).await;
    fill_overview(&mut conn).await;

    let (user, below, most) = (7, TRANSACTIONS - 100, 1_001);
    let open = [user, below, most].repeat(copies::OPEN_RANGES);
    for (sql, values, keys) in [
        (reports::PAGE, vec![user, i64::MAX, 50, 0], ["reports_of_user", "PRIMARY"].as_slice()),
        (reports::PAGE, vec![user, TRANSACTIONS / 2, 200, 400], &["reports_of_user", "PRIMARY"]),
        (copies::OPEN, open, &["transactions_of_sender", "transactions_of_receiver", "transaction_shares_of_user"]),
        (summaries::FIND, vec![user], &["PRIMARY"]),
    ] {
        assert_uses_index(&mut conn, sql, &values, keys).await;
    }
    for (sql, values) in [
        (overview::DAYS, ["2026-01-05", "2026-01-20"].as_slice()),
        (overview::SETTLE_TIMES, &["day", "2026-01-05", "2026-01-20"]),
        (overview::SETTLE_TIMES, &["month", "2017-01-01", "2017-03-01"]),
        (overview::WALLET_TOTALS, &[]),
    ] {
        assert_reads_days_by_index(&mut conn, sql, values).await;
    }
}

/// Transactions among the users, of which every tenth is open, and a report of each for its sender.
async fn fill(conn: &mut MySqlConnection) {
    for first in (1..=TRANSACTIONS).step_by(1_000) {
        let mut transactions = BulkInsert::new(
            "INSERT INTO transactions
                 (transaction_id, sender_id, receiver_id, amount, status, counts_for_sender, counts_for_receiver, version,
                  created_at)",
        );
        let mut made = BulkInsert::new("INSERT INTO reports (user_id, transaction_id, created_at)");
        for id in first..first + 1_000 {
            let (sender, receiver) = (id % USERS + 1, (id / 3) % USERS + 1);
            let status = if id % 10 == 0 { "pending" } else { "completed" };
            let time = chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::days(1) + chrono::TimeDelta::seconds(id);
            let one = Value::Integer(1);
            transactions.row(&[
                id.into(),
                sender.into(),
                receiver.into(),
                one,
                status.into(),
                one,
                one,
                one,
                time.into(),
            ]);
            made.row(&[sender.into(), id.into(), time.into()]);
        }
        transactions.execute(conn).await.unwrap();
        made.execute(conn).await.unwrap();
    }
    let mut summaries =
        BulkInsert::new("INSERT INTO summaries (user_id, total_transactions, total_spent, total_received)");
    for user in 1..=USERS {
        summaries.row(&[user.into(), 0.into(), 0.into(), 0.into()]);
    }
    summaries.execute(conn).await.unwrap();
    sqlx::raw_sql("ANALYZE TABLE transactions, reports, summaries").execute(conn).await.unwrap();
}

/// Ten years of an overview.
async fn fill_overview(conn: &mut MySqlConnection) {
    for year in 2017..=2026 {
        for month in 1..=12 {
            let (mut days, mut times) = (
                BulkInsert::new(
                    "INSERT INTO overview_days (day, status, transactions, volume, settled, settle_micros)",
                ),
                BulkInsert::new("INSERT INTO settle_times (span, starts_on, bucket, transactions)"),
            );
            for day in 1..=28 {
                let date = format!("{year}-{month:02}-{day:02}");
                for status in ["cancelled", "completed", "failed", "pending"] {
                    let one = Value::Integer(1);
                    days.row(&[Value::Text(&date), status.into(), one, one, one, one]);
                }
                for bucket in 0..20 {
                    times.row(&["day".into(), Value::Text(&date), bucket.into(), 1.into()]);
                    if day == 1 {
                        times.row(&["month".into(), Value::Text(&date), bucket.into(), 1.into()]);
                    }
                }
            }
            days.execute(conn).await.unwrap();
            times.execute(conn).await.unwrap();
        }
    }
    sqlx::raw_sql("INSERT INTO wallet_totals VALUES (1, 1, 1, NOW(6))").execute(&mut *conn).await.unwrap();
    sqlx::raw_sql("ANALYZE TABLE overview_days, settle_times").execute(conn).await.unwrap();
}

async fn assert_uses_index(conn: &mut MySqlConnection, sql: &str, values: &[i64], keys: &[&str]) {
    let mut query = sqlx::query(AssertSqlSafe(format!("EXPLAIN FORMAT=TRADITIONAL {sql}")));
    for value in values {
        query = query.bind(value);
    }
    assert_by_index(&query.fetch_all(conn).await.unwrap(), keys, sql);
}

async fn assert_reads_days_by_index(conn: &mut MySqlConnection, sql: &str, values: &[&str]) {
    let mut query = sqlx::query(AssertSqlSafe(format!("EXPLAIN FORMAT=TRADITIONAL {sql}")));
    for value in values {
        query = query.bind(value);
    }
    assert_by_index(&query.fetch_all(conn).await.unwrap(), &["PRIMARY"], sql);
}
