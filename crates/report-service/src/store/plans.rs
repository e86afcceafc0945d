//! How the database carries out what a request reads: by index, however large the tables are.

use lab::{
    database::database,
    plan::{assert_by_index, within},
};
use mysql::bulk::{BulkInsert, Value};
use sqlx::{AssertSqlSafe, MySqlConnection};

use super::{copies, overview, reconciliations, reports, statements, summaries};
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
    fill_overview(&mut conn).await;
    fill_reconciliations(&mut conn).await;

    let (user, below, most) = (7, TRANSACTIONS - 100, 1_001);
    let open = [user, below, most].repeat(copies::OPEN_RANGES);
    for (sql, values, keys) in [
        (reports::PAGE, vec![user, i64::MAX, 50, 0], ["reports_of_user", "PRIMARY"].as_slice()),
        (reports::PAGE, vec![user, TRANSACTIONS / 2, 200, 400], &["reports_of_user", "PRIMARY"]),
        (copies::OPEN, open, &["transactions_of_sender", "transactions_of_receiver", "transaction_shares_of_user"]),
        (summaries::FIND, vec![user], &["PRIMARY"]),
        (reports::FIRST_SINCE, vec![user, 0], &["reports_of_user"]),
        (reports::COUNT_BEFORE, vec![user, 100], &["reports_of_user"]),
        (reconciliations::FIND, vec![40], &["PRIMARY"]),
        (reconciliations::PART, vec![40, 1], &["PRIMARY"]),
        (reconciliations::LIST, vec![500, 50], &["PRIMARY"]),
        (reconciliations::LIST, vec![i64::MAX, 50], &["PRIMARY"]),
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
    let at = |seconds| chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(seconds);
    for (after, to) in [(0, TRANSACTIONS), (5_000, 5_100)] {
        let sql = format!("EXPLAIN FORMAT=TRADITIONAL {}", reconciliations::MOVEMENTS);
        let query = sqlx::query(AssertSqlSafe(sql)).bind(1).bind(at(after)).bind(at(after)).bind(7).bind(at(to));
        let steps = query.bind(reconciliations::PAGE).fetch_all(&mut *conn).await.unwrap();
        assert_by_index(&steps, &["PRIMARY"], reconciliations::MOVEMENTS);
    }
    let seventh = user.try_into().unwrap();
    // one of each status, and of each transaction that is found
    let is_older = within(&mut conn, "the oldest", 40, async |conn| summaries::has_older(conn, seventh, at(1)).await);
    assert!(!is_older.await);
    assert!(summaries::has_older(&mut conn, seventh, at(TRANSACTIONS * 10)).await.unwrap());
    let request = sqlx::query(AssertSqlSafe(format!("EXPLAIN FORMAT=TRADITIONAL {}", reconciliations::FIND_REQUEST)));
    let steps = request.bind("request 7").fetch_all(&mut *conn).await.unwrap();
    assert_by_index(&steps, &["reconciliations_request"], reconciliations::FIND_REQUEST);
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
    assert_eq!(statements::find(&mut conn, &code).await.unwrap().as_ref(), Some(&issued));
    statements::insert(&mut conn, &code, &issued).await.expect("a commit whose answer never came is made again");
    let other = statements::Issued { entries: 4, ..issued.clone() };
    statements::insert(&mut conn, &code, &other).await.expect_err("a code is that of one statement");
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
        let mut shares =
            BulkInsert::new("INSERT INTO transaction_shares (transaction_id, user_id, amount, is_open, counts)");
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
            let is_open = i64::from(status == "pending");
            shares.row(&[id.into(), ((id / 7) % USERS + 1).into(), one, is_open.into(), one]);
        }
        transactions.execute(conn).await.unwrap();
        made.execute(conn).await.unwrap();
        shares.execute(conn).await.unwrap();
    }
    let mut summaries =
        BulkInsert::new("INSERT INTO summaries (user_id, total_transactions, total_spent, total_received)");
    for user in 1..=USERS {
        summaries.row(&[user.into(), 0.into(), 0.into(), 0.into()]);
    }
    summaries.execute(conn).await.unwrap();
    sqlx::raw_sql("ANALYZE TABLE transactions, transaction_shares, reports, summaries").execute(conn).await.unwrap();
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

/// References, and files that were compared with them.
async fn fill_reconciliations(conn: &mut MySqlConnection) {
    let mut references = BulkInsert::new(
        "INSERT INTO entry_references (generation, created_at, entry_id, user_id, kind, amount, reference)",
    );
    for id in 1..=TRANSACTIONS {
        let at = chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(id);
        let (one, topup) = (Value::Integer(1), Value::Text("topup"));
        references.row(&[one, at.into(), id.into(), one, topup, one, Value::Text("bank")]);
    }
    references.execute(conn).await.unwrap();
    let mut made = BulkInsert::new(
        "INSERT INTO reconciliations (id, from_day, to_day, as_of, matched, differing, missing_here, missing_there, request,
             created_at)",
    );
    let mut parts = BulkInsert::new("INSERT INTO reconciliation_parts (reconciliation_id, number, lists)");
    for id in 1..=1_000 {
        let (day, zero, now) = (Value::Text("2026-11-26"), Value::Integer(0), Value::InSeconds(0));
        let request = format!("request {id}");
        made.row(&[id.into(), day, day, now, zero, zero, zero, zero, Value::Text(&request), now]);
        for number in 0..3 {
            parts.row(&[id.into(), number.into(), Value::Text("{}")]);
        }
    }
    made.execute(conn).await.unwrap();
    parts.execute(conn).await.unwrap();
    sqlx::raw_sql("ANALYZE TABLE entry_references, reconciliations, reconciliation_parts").execute(conn).await.unwrap();
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
