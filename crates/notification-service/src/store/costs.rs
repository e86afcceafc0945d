//! What the statements cost: among many rows, each reads those that it is about, and none sorts.

use std::time::Duration;

use chrono::TimeDelta;
use lab::{
    database::{TestDatabase, database},
    plan::within,
};
use money::{
    NotificationId, UserId,
    time::{self, Period},
};
use mysql::{lease::Holder, scan::MOST_LOOKED_AT};
use sqlx::{AssertSqlSafe, MySqlConnection, MySqlPool};

use super::{
    claims::{self, Due},
    meters,
    notifications::{self, Filter, Status},
};
use crate::domain::{
    fairness::{Allowance, Fairness, Meters},
    notices::Notice,
};

/// Notifications in the table, and those of one user.
const ROWS: usize = 8_000;
const OF_A_USER: usize = 400;
/// Rows that a statement answers or changes.
const FEW: u32 = 50;

/// The beginning of each lane.
const BEGINNING: [(usize, Option<Due>); 3] = [(0, None), (1, None), (2, None)];

/// What the row of this number, from 0 on, tells.
fn notice(n: usize) -> Notice {
    let user = i64::try_from(1 + n % (ROWS / OF_A_USER)).unwrap().try_into().unwrap();
    Notice::new(n.to_string(), user, format!("Number {n}"))
}

/// A table with many rows, all to be mailed.
async fn table() -> (TestDatabase, MySqlPool) {
    let database = database().await;
    let pool = mysql::pool(&mysql::DatabaseConfig::at(&database.url(), 8).unwrap());
    mysql::migrate(&pool, crate::store::migrations::migrations()).await.unwrap();
    let mut conn = pool.acquire().await.unwrap();
    for batch in (0..ROWS).map(notice).collect::<Vec<_>>().chunks(1000) {
        notifications::insert_notices(&mut conn, batch, &Fairness::default(), time::now(), 1).await.unwrap();
    }
    // as if the oldest came by way of all lanes
    sqlx::raw_sql("UPDATE notifications SET lane = id % 3 WHERE id <= 7000").execute(&mut *conn).await.unwrap();
    analyze(&mut conn).await;
    drop(conn);
    (database, pool)
}

async fn analyze(conn: &mut MySqlConnection) {
    sqlx::raw_sql("ANALYZE TABLE notifications").execute(conn).await.unwrap();
}

/// Makes all but the newest few of the notifications something else.
async fn set_old_ones(conn: &mut MySqlConnection, change: &str) {
    let newest = ROWS - FEW as usize;
    let sql = format!("UPDATE notifications SET {change} WHERE id <= {newest}");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *conn).await.unwrap();
    analyze(conn).await;
}

#[tokio::test]
async fn a_page_costs_its_rows() {
    let (_database, pool) = table().await;
    let mut conn = pool.acquire().await.unwrap();
    let user = Some(7.try_into().unwrap());
    let middle = Some(i64::try_from(ROWS / 2).unwrap());
    for (user_id, cursor) in [(None, None), (None, middle), (user, None), (user, middle)] {
        let what = format!("the page of {user_id:?} after {cursor:?}");
        let filter = Filter { user_id, ..Filter::default() };
        let list = async |conn: &mut MySqlConnection| notifications::list(conn, &filter, cursor, FEW).await;
        let page = within(&mut conn, &what, FEW.into(), list).await;
        assert_eq!(page.items.len(), FEW as usize, "{what}");
    }
    let by_notice = async |conn: &mut MySqlConnection| notifications::find_notice(conn, &notice(77)).await;
    within(&mut conn, "a notice", 2, by_notice).await;
}

#[tokio::test]
async fn a_page_that_little_passes_looks_at_a_bounded_number_and_goes_on() {
    let (_database, pool) = table().await;
    let mut conn = pool.acquire().await.unwrap();
    set_old_ones(&mut conn, "user_id = 7, hidden_at = NOW(6)").await;
    let sent = Filter { status: Some(Status::Sent), ..Filter::default() };
    let created = |period| Filter { period, ..Filter::default() };
    let later = created(Period { from: Some(time::now() + TimeDelta::hours(1)), to: None });
    let earlier = created(Period { from: None, to: Some(time::now() - TimeDelta::hours(1)) });
    let of_user = Filter { user_id: Some(7.try_into().unwrap()), ..sent.clone() };
    for filter in [sent, later, earlier, of_user] {
        let what = format!("{filter:?}");
        let list = async |conn: &mut MySqlConnection| notifications::list(conn, &filter, None, FEW).await;
        let page = within(&mut conn, &what, MOST_LOOKED_AT.into(), list).await;
        assert!(page.items.is_empty() && page.reached.is_some(), "{what}");
    }
    let (mut seen, mut cursor, mut pages) = (0, None, 0);
    loop {
        let page = notifications::list(&mut conn, &Filter::default(), cursor, FEW - 1).await.unwrap();
        (seen, cursor, pages) = (seen + page.items.len(), page.reached, pages + 1);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((seen, pages), (FEW as usize, 2 + ROWS / MOST_LOOKED_AT as usize - 1));
}

#[tokio::test]
async fn what_is_due_is_found_at_the_cost_of_its_rows() {
    let (_database, pool) = table().await;
    let mut conn = pool.acquire().await.unwrap();
    let due = async |conn: &mut MySqlConnection| claims::due(conn, &BEGINNING, FEW).await;
    let few = FEW as usize;
    // read from the index, and again from the table that a UNION makes
    let first = within(&mut conn, "the first of all", 2 * 3 * i64::from(FEW) + 1, due).await;
    assert_eq!(first.each_ref().map(Vec::len), [few; 3]);
    // and the same behind any of them, also among those that were due at the same moment
    sqlx::raw_sql("UPDATE notifications SET next_attempt_at = '2025-01-01' WHERE id <= 4000")
        .execute(&mut *conn)
        .await
        .unwrap();
    analyze(&mut conn).await;
    let mut behind = BEGINNING;
    for _ in 0..40 {
        let due = async |conn: &mut MySqlConnection| claims::due(conn, &behind, FEW).await;
        let found = within(&mut conn, "those behind", 2 * 3 * i64::from(FEW) + 1, due).await;
        for (lane, place) in &mut behind {
            let last = *found[*lane].last().expect("more");
            assert!(place.is_none_or(|place| (place.since, place.id) < (last.since, last.id)));
            *place = Some(last);
        }
    }
    for change in
        ["status = 'sent'", "status = 'failed'", "status = 'pending', next_attempt_at = NOW(6) + INTERVAL 1 DAY"]
    {
        set_old_ones(&mut conn, change).await;
        let found = within(&mut conn, change, 2 * i64::from(FEW) + 1, due).await;
        assert_eq!(found.each_ref().map(Vec::len), [few, 0, 0], "{change}");
        assert!(found[0].iter().all(|due| !first[0].iter().any(|old| old.id == due.id)), "{change}");
    }
}

#[tokio::test]
async fn what_was_deleted_costs_a_look_nothing() {
    let (_database, pool) = table().await;
    let mut conn = pool.acquire().await.unwrap();
    let due = async |conn: &mut MySqlConnection| claims::due(conn, &BEGINNING, FEW).await;
    for _ in 0..4 {
        for old in due(&mut conn).await.unwrap().into_iter().flatten() {
            assert!(notifications::hide(&mut conn, old.id, time::now()).await.unwrap());
        }
    }
    analyze(&mut conn).await;
    let found = within(&mut conn, "behind what was deleted", 2 * 3 * i64::from(FEW) + 1, due).await;
    assert_eq!(found.each_ref().map(Vec::len), [FEW as usize; 3]);
}

#[tokio::test]
async fn a_batch_costs_its_rows_at_each_step() {
    let (_database, pool) = table().await;
    let mut conn = pool.acquire().await.unwrap();
    let (few, holder) = (i64::from(FEW), &Holder::new());
    let [due, ..] = claims::due(&mut conn, &BEGINNING, FEW).await.unwrap();
    let ids: &[NotificationId] = &due.into_iter().map(|due| due.id).collect::<Vec<_>>();

    let claim = async |conn: &mut MySqlConnection| claims::claim_due(conn, ids, holder).await;
    let claimed = within(&mut conn, "claiming", 2 * few, claim).await;
    assert_eq!(claimed.iter().map(|notification| notification.id).collect::<Vec<_>>(), ids);
    within(&mut conn, "renewing", few, async |conn| claims::renew(conn, ids, holder).await).await;
    within(&mut conn, "giving back", few, async |conn| claims::give_back(conn, ids, holder).await).await;
    within(&mut conn, "claiming again", 2 * few, claim).await;
    within(&mut conn, "marking", few, async |conn| claims::sent(conn, ids, holder, time::now()).await).await;
    assert!(claim(&mut conn).await.unwrap().is_empty(), "what is sent cannot be claimed");
}

#[tokio::test]
async fn the_meters_of_a_batch_are_read_at_the_cost_of_its_users() {
    let (_database, pool) = table().await;
    let mut conn = pool.acquire().await.unwrap();
    let allowance = Allowance(60.try_into().unwrap());
    let user = |n: i64| UserId::try_from(n).unwrap();
    let mut all = Meters::default();
    for n in 1..=4_000 {
        let notice = Notice::new(n.to_string(), user(n), "Hello".into()).caused_by(user(n + 1));
        allowance.place_of(&notice, &mut all);
    }
    meters::store(&mut conn, &all, allowance).await.unwrap();
    meters::store(&mut conn, &all, allowance).await.unwrap();
    sqlx::raw_sql("ANALYZE TABLE mail_meters").execute(&mut *conn).await.unwrap();

    let users = (1000..1000 + i64::from(FEW)).map(user).collect();
    let lock = async |conn: &mut MySqlConnection| meters::lock(conn, &users).await;
    let found = within(&mut conn, "the meters", 2 * i64::from(FEW), lock).await;
    assert_eq!(found.ahead.len(), FEW as usize);
    for (meter, ahead) in found.ahead {
        let both = 2 * allowance.share(meter);
        assert!(ahead <= both && ahead + Duration::from_secs(5) > both, "{meter:?} is {ahead:?} ahead");
    }
}
