//! Reports: one for each user and transaction.

use chrono::{DateTime, Utc};
use money::{Amount, Money, TransactionId, UserId};
use mysql::bulk::BulkInsert;
use mysql::row;
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::MySqlConnection;

use crate::domain::change::Status;

row! {
    /// A report as it was made.
    #[derive(Debug, Clone)]
    pub struct Report {
        pub id: i64,
        pub user_id: UserId,
        pub transaction_id: TransactionId,
        pub created_at: DateTime<Utc>,
    }
}

row! {
    /// A report with its transaction as it stands now.
    #[derive(Debug, Serialize, JsonSchema)]
    pub struct ReportedTransaction {
        pub id: i64,
        pub transaction_id: TransactionId,
        #[schemars(with = "Money")]
        pub amount: Amount,
        pub status: Status,
        pub created_at: DateTime<Utc>,
    }
}

/// Makes the report of `transaction` for `user`; true if it is new. Its transaction must have been taken over.
pub async fn insert(
    conn: &mut MySqlConnection,
    user: UserId,
    transaction: TransactionId,
    now: DateTime<Utc>,
) -> sqlx::Result<(Report, bool)> {
    let inserted = sqlx::query("INSERT INTO reports (user_id, transaction_id, created_at) VALUES (?, ?, ?)")
        .bind(user)
        .bind(transaction)
        .bind(now)
        .execute(&mut *conn)
        .await;
    let new = match inserted {
        Ok(_) => true,
        Err(error) if mysql::is_duplicate(&error) => false,
        Err(error) => return Err(error),
    };
    let report = sqlx::query_as(
        "SELECT id, user_id, transaction_id, created_at FROM reports WHERE user_id = ? AND transaction_id = ?",
    )
    .bind(user)
    .bind(transaction)
    .fetch_one(conn)
    .await?;
    Ok((report, new))
}

/// Removes the report of a transaction that is none of the user's, and the marks that counted it: requests set them again.
pub async fn forget(conn: &mut MySqlConnection, transaction: TransactionId, user: UserId) -> sqlx::Result<()> {
    let forgotten = sqlx::query("DELETE FROM reports WHERE transaction_id = ? AND user_id = ?")
        .bind(transaction)
        .bind(user)
        .execute(&mut *conn)
        .await?;
    if forgotten.rows_affected() > 0 {
        sqlx::query("DELETE FROM report_marks WHERE user_id = ?").bind(user).execute(conn).await?;
    }
    Ok(())
}

/// One in so many reports of a user is marked, so that no page counts more than these.
const STEP: i64 = 500;
/// Marks that one request sets at most.
const MAX_MARKS: usize = 100;
/// Reports behind the last mark that are counted: those of the last minutes, and one step.
const MAX_UNMARKED: i64 = 100_000;

row! {
    /// A report of a user: the `number`th, by id.
    #[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
    pub struct Mark {
        pub number: i64,
        pub report_id: i64,
    }
}

/// Which of a user's reports.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// None that is older: it was made for somebody else.
    pub since: Option<DateTime<Utc>>,
    /// The most of them.
    pub limit: u32,
    /// How many newer ones are left out.
    pub skipped: i64,
}

/// Where a page of a user's reports begins.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// No newer report than this one.
    report_id: i64,
    /// Reports to pass over from there.
    offset: i64,
}

const LAST_MARK: &str = "SELECT number, report_id FROM report_marks WHERE user_id = ? ORDER BY number DESC LIMIT 1";
const MARK_FROM: &str =
    "SELECT number, report_id FROM report_marks WHERE user_id = ? AND number >= ? ORDER BY number LIMIT 1";
// a report of the last minutes may still get one before it, whose transaction was open longer; ids are in the order of insertion
const NEXT_MARK: &str = "SELECT id, created_at < NOW(6) - INTERVAL 5 MINUTE AS is_old
     FROM reports FORCE INDEX (reports_of_user) WHERE user_id = ? AND id > ? ORDER BY id LIMIT 1 OFFSET ?";
// those before belonged to somebody else, and of most users there are none
pub(super) const FIRST_SINCE: &str = "SELECT id FROM reports FORCE INDEX (reports_of_user)
     WHERE user_id = ? AND created_at >= ? ORDER BY id LIMIT 1";
pub(super) const COUNT_BEFORE: &str =
    "SELECT COUNT(*) FROM reports FORCE INDEX (reports_of_user) WHERE user_id = ? AND id < ?";
pub(super) const COUNT: &str = "SELECT COUNT(*) FROM
     (SELECT id FROM reports FORCE INDEX (reports_of_user) WHERE user_id = ? AND id > ? ORDER BY id LIMIT ?) counted";
pub(super) const PAGE: &str =
    "SELECT r.id, r.transaction_id, COALESCE(s.amount, t.amount) AS amount, t.status, r.created_at
     FROM reports r FORCE INDEX (reports_of_user) JOIN transactions t ON t.transaction_id = r.transaction_id
     LEFT JOIN transaction_shares s FORCE INDEX (PRIMARY)
         ON s.transaction_id = r.transaction_id AND s.user_id = r.user_id
     WHERE r.user_id = ? AND r.id <= ? ORDER BY r.id DESC LIMIT ? OFFSET ?";

/// The first report of `user` that was made at `since` or later: its id, and how many there are before.
async fn first_since(
    conn: &mut MySqlConnection,
    user: UserId,
    since: Option<DateTime<Utc>>,
) -> sqlx::Result<Option<(i64, i64)>> {
    let Some(since) = since else { return Ok(Some((0, 0))) };
    let found: Option<i64> = sqlx::query_scalar(FIRST_SINCE).bind(user).bind(since).fetch_optional(&mut *conn).await?;
    let Some(first) = found else { return Ok(None) };
    let before = sqlx::query_scalar(COUNT_BEFORE).bind(user).bind(first).fetch_one(conn).await?;
    Ok(Some((first, before)))
}

/// The marks that `user` lacks, a bounded number of them. Most requests find none.
pub async fn missing_marks(conn: &mut MySqlConnection, user: UserId) -> sqlx::Result<Vec<Mark>> {
    let mut last = last_mark(conn, user).await?;
    let mut missing = Vec::new();
    while missing.len() < MAX_MARKS {
        let next: Option<(i64, i64)> =
            sqlx::query_as(NEXT_MARK).bind(user).bind(last.report_id).bind(STEP - 1).fetch_optional(&mut *conn).await?;
        let Some((report_id, 1)) = next else { break };
        last = Mark { number: last.number + STEP, report_id };
        missing.push(last);
    }
    Ok(missing)
}

/// Sets marks of `user`; another request may have set the same ones.
pub async fn set_marks(conn: &mut MySqlConnection, user: UserId, marks: &[Mark]) -> sqlx::Result<()> {
    let mut insert = BulkInsert::new("INSERT INTO report_marks (user_id, number, report_id)");
    for mark in marks {
        insert.row(&[user.get().into(), mark.number.into(), mark.report_id.into()]);
    }
    insert.on_duplicate(" ON DUPLICATE KEY UPDATE report_id = VALUES(report_id)").execute(conn).await
}

async fn last_mark(conn: &mut MySqlConnection, user: UserId) -> sqlx::Result<Mark> {
    Ok(sqlx::query_as(LAST_MARK).bind(user).fetch_optional(conn).await?.unwrap_or_default())
}

/// A page of the reports of `user`, newest first, and how many there are in all. `None` while too many of them have no mark yet.
pub async fn page(
    conn: &mut MySqlConnection,
    user: UserId,
    Asked { since, limit, skipped }: Asked,
) -> sqlx::Result<Option<(i64, Vec<ReportedTransaction>)>> {
    let Some((oldest, before)) = first_since(conn, user, since).await? else { return Ok(Some((0, Vec::new()))) };
    let last = last_mark(conn, user).await?;
    let unmarked: i64 =
        sqlx::query_scalar(COUNT).bind(user).bind(last.report_id).bind(MAX_UNMARKED).fetch_one(&mut *conn).await?;
    if unmarked == MAX_UNMARKED {
        return Ok(None);
    }
    let total = last.number + unmarked;
    let first = total - skipped; // its number
    let place = if first > last.number {
        Place { report_id: i64::MAX, offset: skipped }
    } else {
        let mark: Option<Mark> = sqlx::query_as(MARK_FROM).bind(user).bind(first).fetch_optional(&mut *conn).await?;
        let mark = mark.unwrap_or(last);
        Place { report_id: mark.report_id, offset: mark.number - first }
    };
    if first <= before {
        return Ok(Some((total - before, Vec::new())));
    }
    let query = sqlx::query_as(PAGE).bind(user).bind(place.report_id).bind(limit).bind(place.offset);
    let mut rows: Vec<ReportedTransaction> = query.fetch_all(conn).await?;
    rows.retain(|report| report.id >= oldest);
    Ok(Some((total - before, rows)))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use lab::{database::database, plan::within};
    use money::time;
    use mysql::bulk::Value;

    use super::*;

    const USER: i64 = 7;
    /// Reports of the user, each of a transaction of its own.
    const REPORTS: i64 = 5_250;
    const LIMIT: u32 = 100;

    fn asked(since: Option<DateTime<Utc>>, skipped: i64) -> Asked {
        Asked { since, limit: LIMIT, skipped }
    }

    /// Reports of the user and of another one, in turn, made a day ago, but for the last hundred.
    async fn fill(conn: &mut MySqlConnection) {
        for first in (1..=REPORTS).step_by(750) {
            let mut transactions = BulkInsert::new(
                "INSERT INTO transactions
                 (transaction_id, sender_id, receiver_id, amount, status, counts_for_sender, counts_for_receiver, version,
                  created_at)",
            );
            let mut reports = BulkInsert::new("INSERT INTO reports (user_id, transaction_id, created_at)");
            for id in first..first + 750 {
                let age = if id > REPORTS - 100 { TimeDelta::zero() } else { TimeDelta::days(1) };
                let (one, at) = (Value::Integer(1), Value::from(time::now() - age));
                transactions.row(&[id.into(), USER.into(), 8.into(), one, "completed".into(), one, one, one, at]);
                reports.row(&[USER.into(), id.into(), at]);
                reports.row(&[8.into(), id.into(), at]);
            }
            transactions.execute(conn).await.unwrap();
            reports.execute(conn).await.unwrap();
        }
        sqlx::raw_sql("ANALYZE TABLE transactions, reports").execute(conn).await.unwrap();
    }

    #[tokio::test]
    async fn a_page_costs_its_rows_and_those_down_from_a_mark_however_far_behind_it_is() {
        let database = database().await;
        let pool = database.pool();
        mysql::migrate(&pool, crate::store::migrations::migrations()).await.unwrap();
        let conn = &mut *pool.acquire().await.unwrap();
        fill(conn).await;
        let user: UserId = USER.try_into().unwrap();
        let unmarked = page(conn, user, asked(None, 0)).await.unwrap().unwrap();
        assert_eq!(
            (unmarked.0, unmarked.1[0].transaction_id.get()),
            (REPORTS, REPORTS),
            "it is right without marks too"
        );
        let marks = missing_marks(conn, user).await.unwrap();
        assert_eq!(marks.len(), 10, "the youngest reports are not marked");
        set_marks(conn, user, &marks).await.unwrap();
        set_marks(conn, user, &marks).await.unwrap();
        assert_eq!(missing_marks(conn, user).await.unwrap(), []);

        // those down from a mark and of the page, each with its transaction and a look for a share; those behind the last mark, which are counted
        let most = 3 * (STEP + i64::from(LIMIT)) + 3 * (REPORTS % STEP);
        let mut seen = Vec::new();
        for number in 0..=REPORTS / i64::from(LIMIT) {
            let skipped = number * i64::from(LIMIT);
            let page = within(conn, "a page", most, async |conn| page(conn, user, asked(None, skipped)).await).await;
            let (total, reports) = page.unwrap();
            assert_eq!(total, REPORTS);
            seen.extend(reports.into_iter().map(|report| report.transaction_id.get()));
        }
        assert_eq!(seen, (1..=REPORTS).rev().collect::<Vec<i64>>());
        for skipped in [REPORTS, REPORTS + 1, 200_000_000] {
            assert!(page(conn, user, asked(None, skipped)).await.unwrap().unwrap().1.is_empty(), "{skipped}");
        }
        // those of a day ago were made for somebody else
        let since = Some(time::now() - TimeDelta::hours(1));
        for (skipped, length) in [(0, 100), (40, 60), (99, 1), (100, 0), (REPORTS, 0)] {
            let (total, reports) = page(conn, user, asked(since, skipped)).await.unwrap().unwrap();
            assert_eq!((total, reports.len()), (100, length), "{skipped}");
        }
        let later = Some(time::now() + TimeDelta::hours(1));
        assert_eq!(page(conn, user, asked(later, 0)).await.unwrap().unwrap().0, 0);
    }
}
