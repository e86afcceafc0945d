//! Migrations that change large tables: they never hold up payments for long, and a process that dies in one is no harm.

use std::{borrow::Cow, time::Duration};

use fault::point;
use lab::database::database;
use mysql::{DatabaseConfig, DbError};
use sqlx::{Connection, MySqlConnection, MySqlPool, migrate::Migrator};
use tokio::time::{Instant, sleep, timeout};
use user_service::{app::audit, migrations};

/// Connections that the service opens at most.
const POOL_SIZE: u32 = 8;

/// A migration of a version to come, which changes a table of the ledger.
const NEXT: (&str, &str) =
    ("9999_wider_balances", "ALTER TABLE accounts MODIFY COLUMN available DECIMAL(30, 2) NOT NULL DEFAULT 0");
/// How long a migration is watched while it cannot go on.
const WATCHED: Duration = Duration::from_secs(2);
/// The longest that a payment waits behind a migration, which gives a busy table up after 3 seconds.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// All migrations, and the next one.
fn all() -> Migrator {
    let (now, next) = (migrations(), mysql::migrator([NEXT]));
    let migrations = [now.migrations.into_owned(), next.migrations.into_owned()].concat();
    Migrator { migrations: Cow::Owned(migrations), ..mysql::migrator([]) }
}

/// Migrates as the next version does.
async fn migrate(pool: &MySqlPool) -> anyhow::Result<()> {
    mysql::migrate_apart_from(pool, all(), Some(audit::LOCK)).await
}

/// A schema at the version before, with one account.
async fn at_the_version_before() -> (lab::database::TestDatabase, MySqlPool) {
    let database = database().await;
    let pool = mysql::pool(&DatabaseConfig::at(&database.url(), POOL_SIZE).unwrap());
    mysql::migrate(&pool, migrations()).await.unwrap();
    sqlx::query("INSERT INTO accounts (user_id, available) VALUES (1, 10)").execute(&pool).await.unwrap();
    (database, pool)
}

/// As a payment of the version before does.
async fn pay(pool: &MySqlPool) -> Result<(), DbError> {
    mysql::retry(|_| async {
        let mut tx = mysql::begin(pool, point!("test")).await?;
        sqlx::query("UPDATE accounts SET available = available - 1 WHERE user_id = 1")
            .execute(tx.conn().await?)
            .await?;
        tx.commit().await
    })
    .await
}

async fn digits(pool: &MySqlPool) -> u64 {
    sqlx::query_scalar(
        "SELECT CAST(numeric_precision AS UNSIGNED) FROM information_schema.columns
         WHERE table_schema = DATABASE() AND table_name = 'accounts' AND column_name = 'available'",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_migration_waits_for_an_audit_and_payments_do_not_wait_behind_it() {
    let (_database, pool) = at_the_version_before().await;
    let mut audit: MySqlConnection = pool.acquire().await.unwrap().detach();
    let take = sqlx::query_scalar("SELECT GET_LOCK(CONCAT(?, '.', DATABASE()), 0)").bind(audit::LOCK);
    let taken: i64 = take.fetch_one(&mut audit).await.unwrap();
    assert_eq!(taken, 1);
    let payments = async {
        let end = Instant::now() + WATCHED;
        while Instant::now() < end {
            timeout(Duration::from_secs(1), pay(&pool)).await.expect("nothing waits for the audit").unwrap();
            sleep(Duration::from_millis(300)).await;
        }
        assert_eq!(digits(&pool).await, 28);
        audit.close().await.unwrap();
    };
    let (migrated, ()) = tokio::join!(migrate(&pool), payments);
    migrated.unwrap();
    assert_eq!(digits(&pool).await, 30);
}

#[tokio::test]
async fn a_migration_gives_a_busy_table_up_so_that_payments_go_on_and_tries_again() {
    let (_database, pool) = at_the_version_before().await;
    // a proof that somebody asked for: it reads the table as it was, for as long as it takes
    let mut proof = pool.begin().await.unwrap();
    sqlx::query("SELECT * FROM accounts").fetch_all(&mut *proof).await.unwrap();
    let payments = async {
        sleep(Duration::from_secs(1)).await;
        timeout(MAX_WAIT, pay(&pool)).await.expect("a payment waits behind the migration for seconds only").unwrap();
        proof.rollback().await.unwrap();
    };
    let (migrated, ()) = tokio::join!(migrate(&pool), payments);
    migrated.unwrap();
    assert_eq!(digits(&pool).await, 30);
}

#[tokio::test]
async fn a_migration_whose_process_was_killed_is_carried_on_by_the_next_one() {
    let (_database, pool) = at_the_version_before().await;
    let all = all();
    let killed = |version: i64, checksum: Vec<u8>| {
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (?, 'killed', FALSE, ?, -1)",
        )
        .bind(version)
        .bind(checksum)
    };
    // noted, and without effect
    let next = all.iter().last().expect("there are some");
    killed(next.version, next.checksum.to_vec()).execute(&pool).await.unwrap();
    migrate(&pool).await.unwrap();
    assert_eq!(digits(&pool).await, 30);
    // in effect, and not noted: a table that exists already
    let created = all.iter().find(|migration| migration.sql.as_str().contains("CREATE TABLE")).unwrap();
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = ?").bind(created.version).execute(&pool).await.unwrap();
    killed(created.version, created.checksum.to_vec()).execute(&pool).await.unwrap();
    migrate(&pool).await.unwrap();
    let noted: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM _sqlx_migrations WHERE success").fetch_one(&pool).await.unwrap();
    assert_eq!(noted, i64::try_from(all.iter().count()).unwrap());
}
