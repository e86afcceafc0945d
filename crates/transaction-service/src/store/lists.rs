//! Lists of transactions, newest first. Each page looks at a bounded number of them.

use money::{Money, UserId, time::Period};
use mysql::scan::{Condition, MOST_LOOKED_AT, Order, Scan, Stretch, push_created_within};
use sqlx::{MySql, MySqlConnection, QueryBuilder};

use super::columns;
use crate::domain::{state::Status, transaction::Transaction};

/// What a list is narrowed to.
#[derive(Debug, Default, Clone)]
pub struct Filter {
    pub status: Option<Status>,
    /// Created within this.
    pub period: Period,
    pub min_amount: Option<Money>,
    pub max_amount: Option<Money>,
}

/// At most `rows` transactions with an id below `cursor`.
pub async fn all(
    conn: &mut MySqlConnection,
    filter: &Filter,
    cursor: Option<i64>,
    rows: u32,
) -> sqlx::Result<Stretch<Transaction>> {
    match filter.status {
        None | Some(Status::Completed) => {
            scan(conn, BY_ID, &|q| _ = q.push("TRUE"), ANYBODYS, filter, cursor, rows).await
        }
        // these are few, and as none is due ever again the index has them in the order of their ids
        Some(status @ (Status::Failed | Status::Cancelled)) => {
            let ended = |query: &mut QueryBuilder<MySql>| {
                query.push("due_at IS NULL AND status = ").push_bind(status);
            };
            scan(conn, BY_STATUS, &ended, ANYBODYS, filter, cursor, rows).await
        }
        // these are open, and the index has them in another order
        Some(status @ (Status::Scheduled | Status::Processing | Status::Pending)) => {
            if are_many(conn, status).await? {
                scan(conn, BY_ID, &|q| _ = q.push("TRUE"), ANYBODYS, filter, cursor, rows).await
            } else {
                few(conn, status, filter, cursor, rows).await
            }
        }
    }
}

// What `Transaction::is_senders` and `is_receivers` say, less what the party has deleted.
const SENDERS: &str = "hidden_from_sender_at IS NULL
    AND (accepted_at IS NOT NULL OR failure IS NULL OR failure NOT IN ('user_not_found', 'not_reached'))";
const RECEIVERS: &str = "hidden_from_receiver_at IS NULL AND accepted_at IS NOT NULL";
/// For those who see everybody's.
const ANYBODYS: &str = "TRUE";

/// Those that `user` sent or received, as the user sees them. One index range for each role, merged here: a single query for
/// both would have to sort all of them.
pub async fn of_user(
    conn: &mut MySqlConnection,
    user: UserId,
    filter: &Filter,
    cursor: Option<i64>,
    rows: u32,
) -> sqlx::Result<Stretch<Transaction>> {
    let sent = |query: &mut QueryBuilder<MySql>| _ = query.push("sender_id = ").push_bind(user);
    let received = |query: &mut QueryBuilder<MySql>| _ = query.push("receiver_id = ").push_bind(user);
    let sent = scan(conn, BY_SENDER, &sent, SENDERS, filter, cursor, rows).await?;
    let received = scan(conn, BY_RECEIVER, &received, RECEIVERS, filter, cursor, rows).await?;
    Ok(Stretch::merge([sent, received], rows, |row| row.id.get()))
}

// Indexes that have their range in the order of the ids.
const BY_ID: &str = "PRIMARY";
const BY_STATUS: &str = "transactions_due";
const BY_SENDER: &str = "transactions_of_sender";
const BY_RECEIVER: &str = "transactions_of_receiver";

async fn scan(
    conn: &mut MySqlConnection,
    index: &str,
    range: Condition<'_>,
    visible: &str,
    filter: &Filter,
    cursor: Option<i64>,
    rows: u32,
) -> sqlx::Result<Stretch<Transaction>> {
    let (columns, table, order) = (columns!(), "transactions", Order::NewestFirst);
    let filter = |query: &mut QueryBuilder<MySql>| {
        query.push(visible).push(" AND ");
        filter.push(query);
    };
    Scan { columns, table, index, range, filter: &filter, order, id: |row: &Transaction| row.id.get() }
        .read(conn, cursor, rows)
        .await
}

/// True if there are more transactions in this status than a page may look at.
async fn are_many(conn: &mut MySqlConnection, status: Status) -> sqlx::Result<bool> {
    let beyond: Option<i64> = sqlx::query_scalar(
        "SELECT id FROM transactions FORCE INDEX (transactions_due) WHERE status = ? LIMIT 1 OFFSET ?",
    )
    .bind(status)
    .bind(MOST_LOOKED_AT)
    .fetch_optional(conn)
    .await?;
    Ok(beyond.is_some())
}

/// Of a status in which few transactions are: all of them are looked at, and sorted.
async fn few(
    conn: &mut MySqlConnection,
    status: Status,
    filter: &Filter,
    cursor: Option<i64>,
    rows: u32,
) -> sqlx::Result<Stretch<Transaction>> {
    let mut query: QueryBuilder<MySql> = QueryBuilder::new(concat!(
        "SELECT ",
        columns!(),
        " FROM transactions FORCE INDEX (transactions_due) WHERE status = "
    ));
    query.push_bind(status);
    query.push(" AND id < ").push_bind(cursor.unwrap_or(i64::MAX)).push(" AND ");
    filter.push(&mut query);
    query.push(" ORDER BY id DESC LIMIT ").push_bind(rows);
    let items: Vec<Transaction> = query.build_query_as().fetch_all(conn).await?;
    let reached = items.last().filter(|_| items.len() == rows as usize).map(|row| row.id.get());
    Ok(Stretch { items, reached })
}

impl Filter {
    /// Appends the condition of what a list shows.
    fn push(&self, query: &mut QueryBuilder<MySql>) {
        query.push("hidden_at IS NULL");
        if let Some(status) = self.status {
            query.push(" AND status = ").push_bind(status);
        }
        push_created_within(query, self.period);
        if let Some(least) = self.min_amount {
            query.push(" AND amount >= ").push_bind(least);
        }
        if let Some(most) = self.max_amount {
            query.push(" AND amount <= ").push_bind(most);
        }
    }
}

#[cfg(test)]
mod tests {
    use lab::plan::within;

    use super::*;
    use crate::store::testing::{FAILED_EACH, TRANSACTIONS, USERS, filled_database, time};

    const LIMIT: u32 = 20;

    fn status(status: Status) -> Filter {
        Filter { status: Some(status), ..Filter::default() }
    }

    #[tokio::test]
    async fn a_page_reads_its_own_rows_and_sorts_nothing() {
        let database = filled_database().await;
        let mut conn = database.pool().acquire().await.unwrap();
        let user: UserId = 7.try_into().unwrap();
        let amounts = Filter { min_amount: Some(1.into()), max_amount: Some(1.into()), ..Filter::default() };
        let all_times = Period { from: Some(time(0)), to: Some(time(TRANSACTIONS + 1)) };
        let times = Filter { period: all_times, ..Filter::default() };
        let middle = Some(TRANSACTIONS / 2);

        for (filter, cursor) in [
            (Filter::default(), None),
            (Filter::default(), middle),
            (amounts, None),
            (times, None),
            (status(Status::Completed), middle),
        ] {
            let what = format!("all, {filter:?}");
            let page = within(&mut conn, &what, LIMIT.into(), async |conn| all(conn, &filter, cursor, LIMIT).await);
            assert_newest_first(&page.await.items, cursor);
        }
        for (filter, cursor) in [(Filter::default(), None), (Filter::default(), middle)] {
            // one page for each role
            let page = within(&mut conn, "of a user", (2 * LIMIT).into(), async |conn| {
                of_user(conn, user, &filter, cursor, LIMIT).await
            });
            assert_newest_first(&page.await.items, cursor);
        }
        let failed = status(Status::Failed);
        assert_newest_first(
            &within(&mut conn, "all failed", LIMIT.into(), async |conn| all(conn, &failed, None, LIMIT).await)
                .await
                .items,
            None,
        );
        // a filter that little passes looks at the user's own transactions, and at no one else's
        let rows_of_user = 2 * TRANSACTIONS / USERS;
        let failed = within(&mut conn, "failed of a user", rows_of_user, async |conn| {
            of_user(conn, user, &failed, None, LIMIT).await
        });
        assert!(failed.await.items.iter().all(|row| row.status() == Status::Failed && row.id.get() % FAILED_EACH == 0));
    }

    #[tokio::test]
    async fn a_filter_that_nothing_passes_costs_a_bounded_number_of_rows() {
        let database = filled_database().await;
        let mut conn = database.pool().acquire().await.unwrap();
        sqlx::raw_sql("UPDATE transactions SET sender_id = 7, receiver_id = 8").execute(&mut *conn).await.unwrap();
        sqlx::raw_sql("ANALYZE TABLE transactions").execute(&mut *conn).await.unwrap();
        let nothing = Filter { min_amount: Some(1_000.into()), ..Filter::default() };
        let both = Filter { status: Some(Status::Failed), ..nothing.clone() };
        let most = MOST_LOOKED_AT.into();
        for user in [7, 8] {
            let user: UserId = user.try_into().unwrap();
            for filter in [&nothing, &both] {
                let page =
                    within(&mut conn, "of a user", most, async |conn| of_user(conn, user, filter, None, LIMIT).await);
                let page = page.await;
                assert_eq!((page.items.len(), page.reached), (0, Some(TRANSACTIONS - i64::from(MOST_LOOKED_AT) + 1)));
            }
        }
        let page = within(&mut conn, "all", most, async |conn| all(conn, &nothing, None, LIMIT).await).await;
        assert_eq!((page.items.len(), page.reached), (0, Some(TRANSACTIONS - i64::from(MOST_LOOKED_AT) + 1)));
        let page = within(&mut conn, "all failed", most, async |conn| all(conn, &both, None, LIMIT).await).await;
        assert_eq!((page.items.len(), page.reached), (0, None), "these are few");
        for status in [Status::Scheduled, Status::Pending, Status::Processing] {
            let open = Filter { status: Some(status), ..Filter::default() };
            let page = all(&mut conn, &open, None, LIMIT).await.unwrap();
            assert_eq!((page.items.len(), page.reached), (0, None), "there are none");
        }
    }

    #[track_caller]
    fn assert_newest_first(page: &[Transaction], cursor: Option<i64>) {
        assert_eq!(page.len(), LIMIT as usize);
        assert!(page.is_sorted_by(|one, next| one.id > next.id));
        assert!(page[0].id.get() < cursor.unwrap_or(i64::MAX));
    }
}
