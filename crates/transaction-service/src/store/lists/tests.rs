//! What pages cost.

use common::labels::{Labels, Reference};
use lab::plan::within;
use sqlx::Connection;

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
    warm_up(&mut conn).await;
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
        &within(&mut conn, "all failed", LIMIT.into(), async |conn| all(conn, &failed, None, LIMIT).await).await.items,
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
    warm_up(&mut conn).await;
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

#[tokio::test]
async fn what_is_found_by_a_label_costs_its_own_rows_however_many_there_are() {
    let database = filled_database().await;
    let mut conn = database.pool().acquire().await.unwrap();
    warm_up(&mut conn).await;
    let lookup = |name: &str| Labels::of(Some(Reference(name.to_owned())), None).lookups().next().unwrap();
    // each user's transactions carry "common", and three of them "rare"
    for (name, share) in [("common", "TRUE"), ("rare", "id IN (5, 7, 11000)")] {
        let insert = format!(
            "INSERT INTO transaction_labels (user_id, lookup, id)
             SELECT 0, ?, id FROM transactions WHERE {share} UNION ALL
             SELECT sender_id, ?, id FROM transactions WHERE {share} UNION ALL
             SELECT receiver_id, ?, id FROM transactions WHERE {share}"
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(insert));
        for _column in 0..3 {
            query = query.bind(lookup(name).0.to_vec());
        }
        query.execute(&mut *conn).await.unwrap();
    }
    sqlx::raw_sql("ANALYZE TABLE transaction_labels").execute(&mut *conn).await.unwrap();
    let by = |names: &[&str]| Filter { lookups: names.iter().map(|n| lookup(n)).collect(), ..Filter::default() };
    let user: UserId = 7.try_into().unwrap();
    // a label, its transaction, and the transaction once more as a whole; servers count the last one twice
    let page = i64::from(LIMIT) * 4;
    for cursor in [None, Some(TRANSACTIONS / 2)] {
        let found =
            within(&mut conn, "by a label", page, async |conn| all(conn, &by(&["common"]), cursor, LIMIT).await);
        assert_newest_first(&found.await.items, cursor);
        let found = within(&mut conn, "of a user by a label", page, async |conn| {
            of_user(conn, user, &by(&["common"]), cursor, LIMIT).await
        });
        assert_newest_first(&found.await.items, cursor);
    }
    let found = within(&mut conn, "rare", 12, async |conn| all(conn, &by(&["rare"]), None, LIMIT).await).await;
    assert_eq!(found.items.iter().map(|row| row.id.get()).collect::<Vec<_>>(), [11_000, 7, 5]);
    let found = within(&mut conn, "both", 15, async |conn| all(conn, &by(&["rare", "common"]), None, LIMIT).await);
    assert_eq!(found.await.items.len(), 3);
    // the other way round a page looks at what it may, and goes on
    let most = i64::from(MOST_LOOKED_AT) * 4;
    let found = within(&mut conn, "both", most, async |conn| all(conn, &by(&["common", "rare"]), None, LIMIT).await);
    let found = found.await;
    assert!(found.items.is_empty() && found.reached.is_some());
    assert!(all(&mut conn, &by(&["no such"]), None, LIMIT).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn lists_of_all_users_share_their_statements() {
    let database = filled_database().await;
    let mut conn = database.pool().acquire().await.unwrap();
    let lookup = |name: &str| Labels::of(Some(Reference(name.to_owned())), None).lookups().next().unwrap();
    let mut statements = Vec::new();
    for (user, other, name) in [(7, 8, "one"), (9, 10, "another")] {
        let [user, other]: [UserId; 2] = [user, other].map(|id| id.try_into().unwrap());
        let by_label = Filter { lookups: vec![lookup(name)], ..Filter::default() };
        for filter in [Filter::default(), by_label] {
            let received = Filter { sender: Some(other), ..filter.clone() };
            let sent = Filter { receiver: Some(other), direction: Some(Direction::Out), ..filter.clone() };
            for filter in [&filter, &received, &sent] {
                of_user(&mut conn, user, filter, None, LIMIT).await.unwrap();
                all(&mut conn, filter, None, LIMIT).await.unwrap();
            }
        }
        statements.push(conn.cached_statements_size());
    }
    assert_eq!(statements[0], statements[1], "each connection keeps a hundred, and closing one stalls the next");
}

#[track_caller]
fn assert_newest_first(page: &[Transaction], cursor: Option<i64>) {
    assert_eq!(page.len(), LIMIT as usize);
    assert!(page.is_sorted_by(|one, next| one.id > next.id));
    assert!(page[0].id.get() < cursor.unwrap_or(i64::MAX));
}

/// Opens every table: the first time, a server reads its statistics, too.
async fn warm_up(conn: &mut MySqlConnection) {
    of_user(conn, 7.try_into().unwrap(), &Filter::default(), None, 1).await.unwrap();
}
