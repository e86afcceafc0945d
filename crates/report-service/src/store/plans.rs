//! How the database carries out what a request reads: by index, however large the tables are.

use lab::{database::database, plan::assert_by_index};
use mysql::bulk::{BulkInsert, Value};
use sqlx::{AssertSqlSafe, MySqlConnection};

use super::{copies, reports, statements, summaries};
use crate::domain::{statement::Totals, verification::VerificationCode};

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
}

#[tokio::test]
async fn a_statement_is_found_by_its_code() {
    let database = database().await;
    let pool = database.pool();
    mysql::migrate(&pool, crate::store::migrations::migrations()).await.unwrap();
    let mut conn = pool.acquire().await.unwrap();
    let at = chrono::DateTime::UNIX_EPOCH;
    let issued =
        statements::Issued::new("7".parse().unwrap(), (at, at), Totals { entries: 3, ..Totals::default() }, at);
    let code = VerificationCode::random();
    for other in (0..50).map(|_| VerificationCode::random()) {
        statements::insert(&mut conn, &other, &issued).await.unwrap();
    }
    statements::insert(&mut conn, &code, &issued).await.unwrap();
    assert_eq!(statements::find(&mut conn, &code).await.unwrap(), Some(issued));
    let explain = AssertSqlSafe(format!("EXPLAIN FORMAT=TRADITIONAL {}", statements::FIND));
    let steps = sqlx::query(explain).bind(code.as_str()).fetch_all(&mut *conn).await.unwrap();
    assert_by_index(&steps, &["PRIMARY"], statements::FIND);
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

async fn assert_uses_index(conn: &mut MySqlConnection, sql: &str, values: &[i64], keys: &[&str]) {
    let mut query = sqlx::query(AssertSqlSafe(format!("EXPLAIN FORMAT=TRADITIONAL {sql}")));
    for value in values {
        query = query.bind(value);
    }
    assert_by_index(&query.fetch_all(conn).await.unwrap(), keys, sql);
}
