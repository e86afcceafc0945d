use chrono::TimeDelta;
use lab::{
    database::{TestDatabase, database},
    plan::{assert_by_index, within},
};
use mysql::bulk::{BulkInsert, Value};
use sqlx::{AssertSqlSafe, MySql, query::Query};

use super::*;
use crate::store::{copies, migrations::migrations};

/// Enough for a whole scan to be dearer than an index.
const ENTRIES: i64 = 20_000;
const USERS: i64 = 8;
const GENERATION: i32 = 3;

fn user(id: i64) -> UserId {
    id.try_into().unwrap()
}

fn whose(id: i64) -> Whose {
    Whose::of(user(id), None)
}

/// The moment of an entry: three of a user share each.
fn moment(id: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(1) + TimeDelta::seconds(id / (3 * USERS))
}

/// Entries of users in turn, of 5 and of -2, of a generation that is read and of one that is not.
async fn filled() -> TestDatabase {
    let database = database().await;
    let pool = database.pool();
    mysql::migrate(&pool, migrations()).await.unwrap();
    let conn = &mut *pool.acquire().await.unwrap();
    for first in (0..ENTRIES).step_by(1_000) {
        let mut entries =
            BulkInsert::new("INSERT INTO entries (generation, user_id, created_at, id, kind, amount, balance_after)");
        for id in first..first + 1_000 {
            let (of_user, topup) = (id / USERS, Value::Text("topup"));
            let (amount, balance) =
                (if of_user % 2 == 0 { 5 } else { -2 }, (of_user / 2 + 1) * 3 + if of_user % 2 == 0 { 2 } else { 0 });
            let at = moment(id).into();
            entries.row(&[
                GENERATION.into(),
                (id % USERS + 1).into(),
                at,
                id.into(),
                topup,
                amount.into(),
                balance.into(),
            ]);
            entries.row(&[1.into(), (id % USERS + 1).into(), at, id.into(), topup, 9.into(), 9.into()]);
        }
        entries.execute(conn).await.unwrap();
    }
    sqlx::raw_sql(
        "INSERT INTO entry_feeds VALUES ('entries', 3, 9, NOW(6), NOW(6), 3);
         ANALYZE TABLE entries, entry_accounts, entry_feeds, transactions, names",
    )
    .execute(conn)
    .await
    .unwrap();
    database
}

type Bound<'q> = Query<'q, MySql, sqlx::mysql::MySqlArguments>;
/// What binds the values of a query about a period.
type Binding = fn(Bound<'_>, DateTime<Utc>, DateTime<Utc>) -> Bound<'_>;

#[tokio::test]
async fn each_read_is_a_range_of_the_primary_key() {
    let database = filled().await;
    let conn = &mut *database.pool().acquire().await.unwrap();
    let (from, to) = (moment(ENTRIES / 3), moment(ENTRIES / 2));
    let plans: [(&str, Binding); 5] = [
        (NEWEST, |query, from, _| {
            query.bind(GENERATION).bind(7).bind(DateTime::UNIX_EPOCH).bind(from).bind(from).bind(40).bind(51)
        }),
        (OLDEST, |query, from, to| query.bind(GENERATION).bind(7).bind(from).bind(from).bind(40).bind(to).bind(1_000)),
        (BALANCE, |query, from, to| query.bind(GENERATION).bind(7).bind(from).bind(to)),
        (TOTALS, |query, from, to| query.bind(GENERATION).bind(7).bind(from).bind(to)),
        (HAS_ANY, |query, _, _| query.bind(GENERATION).bind(7)),
    ];
    for (sql, bind) in plans {
        let explained = sqlx::query(AssertSqlSafe(format!("EXPLAIN FORMAT=TRADITIONAL {sql}")));
        let steps = bind(explained, from, to).fetch_all(&mut *conn).await.unwrap();
        if sql != HAS_ANY {
            assert_by_index(&steps, &["PRIMARY"], sql); // of an empty table any plan is good
        }
    }
    let (seven, page) = (whose(7), 51);
    let newest = within(conn, "a page", page, async |conn| {
        newest(conn, GENERATION, seven, Some(Place { created_at: from, id: 40 }), 51).await
    });
    assert_eq!(newest.await.len(), 51);
    within(conn, "a balance", 1, async |conn| balance_before(conn, GENERATION, seven, from).await).await;
    let keys = [(seven, Place::END.created_at), (whose(6), from), (seven, moment(0)), (whose(99), from)];
    // of three, the last one fills the place of a fourth
    sqlx::raw_sql("INSERT INTO entry_accounts VALUES (3, 6, 1, NOW(6), 1)").execute(&mut *conn).await.unwrap();
    let three = [(whose(6), moment(0)), (seven, from), (seven, Place::END.created_at)];
    let found = balances_at(conn, &three).await.unwrap();
    assert_eq!(found.iter().map(|found| found.is_known).collect::<Vec<_>>(), [true, true, true], "{found:?}");
    let found = within(conn, "four balances", 12, async |conn| balances_at(conn, &keys).await).await;
    let one_by_one = async |conn: &mut MySqlConnection| {
        let mut balances = Vec::new();
        for (user, at) in keys {
            balances.push(balance_before(conn, GENERATION, user, at).await.unwrap());
        }
        balances
    };
    let balances: Vec<Money> = found.iter().map(|found| found.balance.unwrap_or_default()).collect();
    assert_eq!(balances, one_by_one(conn).await);
    assert_eq!(found.iter().map(|found| found.is_known).collect::<Vec<_>>(), [true, true, false, false]);
    let ids: Vec<TransactionId> = (1..=200).map(|id| id.try_into().unwrap()).collect();
    assert_eq!(copies::texts(conn, &ids).await.unwrap().len(), 0);
}

#[tokio::test]
async fn whatever_the_period_its_entries_lead_from_its_opening_to_its_closing_balance() {
    let database = filled().await;
    let conn = &mut *database.pool().acquire().await.unwrap();
    let ends = [0, 1, 23, 24, 25, 5_000, ENTRIES - 1, 10 * ENTRIES].map(moment);
    for from in ends {
        for to in ends {
            let totals = totals(conn, GENERATION, whose(2), (from, to)).await.unwrap();
            let mut pages = Pages::new(GENERATION, whose(2), (from, to));
            let (mut balance, mut count, mut last) = (totals.opening, 0, Place::before_all_at(from));
            loop {
                let page = pages.next(conn).await.unwrap();
                if page.is_empty() {
                    break;
                }
                for entry in page {
                    balance = balance + entry.amount;
                    count += 1;
                    assert_eq!(entry.balance_after, balance);
                    let place = entry.place();
                    assert!(place.id > last.id && place.created_at >= last.created_at && place.created_at < to);
                    last = place;
                }
            }
            assert_eq!((balance, count), (totals.closing, totals.count), "{from} to {to}");
            assert_eq!(totals.opening + totals.total_in - totals.total_out, totals.closing);
        }
    }
}

#[tokio::test]
async fn pages_backward_are_pages_forward_turned_round() {
    let database = filled().await;
    let conn = &mut *database.pool().acquire().await.unwrap();
    let (mut backward, mut place) = (Vec::new(), None);
    loop {
        let page = newest(conn, GENERATION, whose(5), place, 97).await.unwrap();
        let Some(last) = page.last() else { break };
        place = Some(last.place());
        backward.extend(page);
    }
    backward.reverse();
    let (mut forward, mut pages) = (Vec::new(), Pages::new(GENERATION, whose(5), (moment(0), Place::END.created_at)));
    loop {
        let page = pages.next(conn).await.unwrap();
        if page.is_empty() {
            break;
        }
        forward.extend(page);
    }
    assert_eq!((i64::try_from(forward.len()), forward), (Ok(ENTRIES / USERS), backward));
}
