//! Units of work on a real server: what starts them again, and what a second run finds.

use std::sync::atomic::{AtomicU32, Ordering};

use fault::point;
use lab::database::{TestDatabase, database};
use mysql::{DatabaseConfig, DbError};
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
    sqlx::query("UPDATE things SET count = 1").execute(&mut *unit).await.unwrap();
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
                        .execute(&mut *unit)
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
            let inserted = sqlx::query("INSERT INTO things (id) VALUES (3)").execute(&mut *unit).await;
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
            sqlx::query("INSERT INTO things (id) VALUES (1)").execute(&mut *unit).await.map_err(mysql::raced)?;
            unit.commit().await
        }
    })
    .await;
    assert!(matches!(lost, Err(DbError::Raced(_))), "{lost:?}");
    assert!(attempts > 1, "it looked again");
}
