//! Lists of transactions, newest first.

use chrono::{DateTime, Utc};
use common::{Money, UserId};
use sqlx::{MySql, MySqlConnection, QueryBuilder};

use super::columns;
use crate::transfer::{Status, Transaction};

/// What a list is narrowed to.
#[derive(Debug, Default, Clone)]
pub struct Filter {
    pub status: Option<Status>,
    /// Created at this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Created before this moment.
    pub to: Option<DateTime<Utc>>,
    pub min_amount: Option<Money>,
    pub max_amount: Option<Money>,
}

/// At most `limit` transactions with an id below `cursor`.
pub async fn all(
    conn: &mut MySqlConnection,
    filter: &Filter,
    cursor: Option<i64>,
    limit: u32,
) -> sqlx::Result<Vec<Transaction>> {
    let among = match filter.status {
        None | Some(Status::Completed) => "FORCE INDEX (PRIMARY) WHERE TRUE",
        // these are few, and as none is due ever again the index has them in the order of their ids
        Some(Status::Failed | Status::Cancelled) => "FORCE INDEX (transactions_due) WHERE due_at IS NULL",
        // these are open: only the server knows whether they are many or few
        Some(Status::Processing | Status::Pending) => "WHERE TRUE",
    };
    select(conn, among, None, filter, cursor, limit).await
}

// what `Transaction::is_senders` and `is_receivers` say, less what the party has deleted
const SENT: &str = "FORCE INDEX (transactions_of_sender)
    WHERE hidden_from_sender_at IS NULL
      AND (accepted_at IS NOT NULL OR failure IS NULL OR failure NOT IN ('user_not_found', 'not_reached')) AND sender_id = ";
const RECEIVED: &str = "FORCE INDEX (transactions_of_receiver)
    WHERE hidden_from_receiver_at IS NULL AND accepted_at IS NOT NULL AND receiver_id = ";

/// Those that `user` sent or received, as the user sees them. One index range for each role, merged here: a single query for
/// both would have to sort all of them.
pub async fn of_user(
    conn: &mut MySqlConnection,
    user: UserId,
    filter: &Filter,
    cursor: Option<i64>,
    limit: u32,
) -> sqlx::Result<Vec<Transaction>> {
    let mut rows = Vec::new();
    for role in [SENT, RECEIVED] {
        rows.extend(select(conn, role, Some(user), filter, cursor, limit).await?);
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.id));
    rows.truncate(limit as usize);
    Ok(rows)
}

/// Newest first. The indexes are named: a server that takes another one reads and sorts all that passes the filter.
async fn select(
    conn: &mut MySqlConnection,
    among: &'static str,
    user: Option<UserId>,
    filter: &Filter,
    cursor: Option<i64>,
    limit: u32,
) -> sqlx::Result<Vec<Transaction>> {
    let mut query: QueryBuilder<MySql> = QueryBuilder::new(concat!("SELECT ", columns!(), " FROM transactions "));
    query.push(among);
    if let Some(user) = user {
        query.push_bind(user);
    }
    query.push(" AND hidden_at IS NULL AND id < ").push_bind(cursor.unwrap_or(i64::MAX));
    if let Some(status) = filter.status {
        query.push(" AND status = ").push_bind(status);
    }
    if let Some(from) = filter.from {
        query.push(" AND created_at >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        query.push(" AND created_at < ").push_bind(to);
    }
    if let Some(least) = filter.min_amount {
        query.push(" AND amount >= ").push_bind(least);
    }
    if let Some(most) = filter.max_amount {
        query.push(" AND amount <= ").push_bind(most);
    }
    query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
    query.build_query_as().fetch_all(conn).await
}

#[cfg(test)]
mod tests {
    use harness::plan::within;

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
        let times = Filter { from: Some(time(0)), to: Some(time(TRANSACTIONS)), ..Filter::default() };
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
            assert_newest_first(&page.await, cursor);
        }
        for (filter, cursor) in [(Filter::default(), None), (Filter::default(), middle)] {
            // one page for each role
            let page = within(&mut conn, "of a user", (2 * LIMIT).into(), async |conn| {
                of_user(conn, user, &filter, cursor, LIMIT).await
            });
            assert_newest_first(&page.await, cursor);
        }
        let failed = status(Status::Failed);
        assert_newest_first(
            &within(&mut conn, "all failed", LIMIT.into(), async |conn| all(conn, &failed, None, LIMIT).await).await,
            None,
        );
        // a filter that little passes looks at the user's own transactions, and at no one else's
        let rows_of_user = 2 * TRANSACTIONS / USERS;
        let failed = within(&mut conn, "failed of a user", rows_of_user, async |conn| {
            of_user(conn, user, &failed, None, LIMIT).await
        });
        assert!(failed.await.iter().all(|row| row.status == Status::Failed && row.id.get() % FAILED_EACH == 0));
    }

    #[track_caller]
    fn assert_newest_first(page: &[Transaction], cursor: Option<i64>) {
        assert_eq!(page.len(), LIMIT as usize);
        assert!(page.is_sorted_by(|one, next| one.id > next.id));
        assert!(page[0].id.get() < cursor.unwrap_or(i64::MAX));
    }
}
