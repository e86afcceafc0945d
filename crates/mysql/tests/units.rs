//! Units of work on a real server: what starts them again, and what a second run finds.

use std::sync::atomic::{AtomicU32, Ordering};

use fault::point;
use lab::database::{TestDatabase, database};
use mysql::{
    DatabaseConfig, DbError,
    bulk::{BulkInsert, BulkUpdate},
};
use sqlx::MySqlPool;
use tokio::sync::Barrier;

async fn schema() -> (TestDatabase, MySqlPool) {
    let database = database().await;
    let pool = mysql::pool(&DatabaseConfig::at(&database.url(), 8).unwrap());
    let table = ("0001_things", "CREATE TABLE things (id INT NOT NULL PRIMARY KEY, count INT NOT NULL DEFAULT 0)");
    mysql::migrate(&pool, mysql::migrator([table])).await.unwrap();
    sqlx::query("INSERT INTO things (id) VALUES (1), (2)").execute(&pool).await.unwrap();
    (database, pool)
}

async fn counts(pool: &MySqlPool) -> Vec<i32> {
    sqlx::query_scalar("SELECT count FROM things ORDER BY id").fetch_all(pool).await.unwrap()
}

#[tokio::test]
async fn a_unit_that_is_dropped_leaves_nothing() {
    let (_database, pool) = schema().await;
    let mut unit = mysql::begin(&pool, point!("test")).await.unwrap();
    sqlx::query("UPDATE things SET count = 1").execute(unit.conn().await.unwrap()).await.unwrap();
    drop(unit);
    assert_eq!(counts(&pool).await, [0, 0]);
}

#[tokio::test]
async fn a_deadlock_starts_its_victim_again_and_both_are_done_once() {
    let (_database, pool) = schema().await;
    let (both_have_one, attempts) = (Barrier::new(2), AtomicU32::new(0));
    let count = async |first: i32, second: i32| {
        mysql::retry(|attempt| {
            let (pool, both_have_one, attempts) = (&pool, &both_have_one, &attempts);
            async move {
                attempts.fetch_add(1, Ordering::SeqCst);
                let mut unit = mysql::begin(pool, point!("test")).await?;
                for id in [first, second] {
                    sqlx::query("UPDATE things SET count = count + 1 WHERE id = ?")
                        .bind(id)
                        .execute(unit.conn().await?)
                        .await?;
                    if attempt == 1 && id == first {
                        both_have_one.wait().await;
                    }
                }
                unit.commit().await
            }
        })
        .await
    };
    let (one, other) = tokio::join!(count(1, 2), count(2, 1));
    one.and(other).unwrap();
    assert_eq!((counts(&pool).await, attempts.into_inner()), (vec![2, 2], 3));
}

#[tokio::test]
async fn the_second_run_after_an_unknown_commit_finds_what_the_first_one_did() {
    let (_database, pool) = schema().await;
    let found = mysql::retry(|attempt| {
        let pool = &pool;
        async move {
            let mut unit = mysql::begin(pool, point!("test")).await?;
            let inserted = sqlx::query("INSERT INTO things (id) VALUES (3)").execute(unit.conn().await?).await;
            match inserted {
                Ok(_) => {}
                Err(error) if mysql::is_duplicate(&error) => return Ok(attempt),
                Err(error) => return Err(error.into()),
            }
            unit.commit().await?;
            // the commit is durable, and its answer is lost
            Err(DbError::CommitUnknown(std::sync::Arc::new(sqlx::Error::PoolClosed)))
        }
    })
    .await
    .unwrap();
    assert_eq!((found, counts(&pool).await.len()), (2, 3));
}

#[tokio::test]
async fn a_row_that_somebody_else_wrote_first_is_a_lost_race() {
    let (_database, pool) = schema().await;
    let mut attempts = 0;
    let lost = mysql::retry(|attempt| {
        attempts = attempt;
        let pool = &pool;
        async move {
            let mut unit = mysql::begin(pool, point!("test")).await?;
            sqlx::query("INSERT INTO things (id) VALUES (1)")
                .execute(unit.conn().await?)
                .await
                .map_err(mysql::raced)?;
            unit.commit().await
        }
    })
    .await;
    assert!(matches!(lost, Err(DbError::Raced(_))), "{lost:?}");
    assert!(attempts > 1, "it looked again");
}

/// Sets the count of both things to 7 if it is `before`, and adds a third one.
async fn write(pool: &MySqlPool, before: i64) -> Result<(), DbError> {
    let mut unit = mysql::begin(pool, point!("test")).await?;
    let mut update = BulkUpdate::new("things");
    for id in [1, 2] {
        update.row(id, &[("count", 7.into())], &[], ("count", before.into()));
    }
    unit.update(update);
    let mut insert = BulkInsert::new("INSERT INTO things (id, count)");
    insert.row(&[3.into(), 9.into()]);
    unit.insert(insert);
    unit.commit().await
}

#[tokio::test]
async fn an_update_that_does_not_find_its_rows_as_they_were_is_a_lost_race_and_nothing_is_written() {
    let (_database, pool) = schema().await;
    let lost = write(&pool, 1).await;
    assert!(matches!(lost, Err(DbError::Raced(_))), "{lost:?}");
    assert_eq!(counts(&pool).await, [0, 0]);
    write(&pool, 0).await.unwrap();
    assert_eq!(counts(&pool).await, [7, 7, 9]);
    // found is what counts, not changed
    sqlx::query("DELETE FROM things WHERE id = 3").execute(&pool).await.unwrap();
    write(&pool, 7).await.unwrap();
    let lost = write(&pool, 7).await;
    assert!(matches!(lost, Err(DbError::Raced(_))), "the third thing is there already: {lost:?}");
}

#[tokio::test]
async fn what_was_added_is_there_for_whoever_reads_next_and_for_nobody_else_before_the_commit() {
    let (_database, pool) = schema().await;
    let mut unit = mysql::begin(&pool, point!("test")).await.unwrap();
    let mut insert = BulkInsert::new("INSERT INTO things (id, count)");
    insert.row(&[3.into(), 5.into()]);
    unit.insert(insert);
    let found: Vec<(i32, i32)> =
        unit.read("SELECT id, count FROM things WHERE id > 1 ORDER BY id FOR UPDATE".to_owned()).await.unwrap();
    assert_eq!(found, [(2, 0), (3, 5)]);
    assert_eq!(counts(&pool).await, [0, 0]);
    sqlx::query("UPDATE things SET count = 1 WHERE id = 2").execute(unit.conn().await.unwrap()).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(counts(&pool).await, [0, 1, 5]);
}

#[tokio::test]
async fn an_id_stands_for_a_row_before_the_server_has_given_it() {
    let (_database, pool) = schema().await;
    sqlx::raw_sql("CREATE TABLE parents (id BIGINT AUTO_INCREMENT PRIMARY KEY, n INT) AUTO_INCREMENT = 40")
        .execute(&pool)
        .await
        .unwrap();
    let mut unit = mysql::begin(&pool, point!("test")).await.unwrap();
    for first in [0, 2] {
        let mut parents = BulkInsert::new("INSERT INTO parents (n)");
        parents.row(&[first.into()]);
        parents.row(&[(first + 1).into()]);
        let ids = unit.insert_with_ids(parents);
        let mut children = BulkInsert::new("INSERT INTO things (id, count)");
        for (n, id) in (first..).zip(ids) {
            children.row(&[id.into(), n.into()]);
        }
        unit.insert(children);
    }
    unit.commit().await.unwrap();
    let pairs: Vec<(i64, i32, i32)> =
        sqlx::query_as("SELECT parents.id, n, count FROM parents JOIN things ON things.id = parents.id ORDER BY n")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(pairs.len(), 4);
    assert!(pairs.iter().all(|(id, n, count)| *id >= 40 && n == count), "{pairs:?}");
}

#[tokio::test]
async fn a_unit_that_fails_or_is_dropped_leaves_a_connection_that_can_be_used_and_no_locks() {
    let database = database().await;
    let pool = mysql::pool(&DatabaseConfig::at(&database.url(), 1).unwrap()); // there is no other one
    let table = ("0001_things", "CREATE TABLE things (id INT NOT NULL PRIMARY KEY, count INT NOT NULL DEFAULT 0)");
    mysql::migrate(&pool, mysql::migrator([table])).await.unwrap();
    sqlx::query("INSERT INTO things (id) VALUES (1), (2)").execute(&pool).await.unwrap();
    let session = async || sqlx::query_scalar::<_, u64>("SELECT CONNECTION_ID()").fetch_one(&pool).await.unwrap();
    let first = session().await;
    for _ in 0..3 {
        write(&pool, 1).await.unwrap_err();
        let mut unit = mysql::begin(&pool, point!("test")).await.unwrap();
        unit.read::<(i32,)>("SELECT id FROM things FOR UPDATE".to_owned()).await.unwrap();
        drop(unit);
        let mut unit = mysql::begin(&pool, point!("test")).await.unwrap();
        unit.read::<(i32,)>("SELECT nothing FROM nowhere".to_owned()).await.unwrap_err();
    }
    write(&pool, 0).await.unwrap();
    assert_eq!((session().await, counts(&pool).await), (first, vec![7, 7, 9]));
}

#[tokio::test]
async fn a_session_that_ends_with_the_commit_under_way_leaves_it_unknown() {
    let (_database, pool) = schema().await;
    let mut unit = mysql::begin(&pool, point!("test")).await.unwrap();
    let (session,): (u64,) = unit.read("SELECT CONNECTION_ID()".to_owned()).await.unwrap().remove(0);
    let mut insert = BulkInsert::new("INSERT INTO things (id, count)");
    insert.row(&[3.into(), 5.into()]);
    unit.insert(insert);
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("KILL {session}"))).execute(&pool).await.unwrap();
    let ended = unit.commit().await;
    assert!(matches!(ended, Err(DbError::CommitUnknown(_) | DbError::Sql(_))), "{ended:?}");
    assert_eq!(counts(&pool).await, [0, 0]);
}
