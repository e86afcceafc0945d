//! Migrations that change large tables: they never hold up payments for long, and a process that dies in one is no harm.

use std::{borrow::Cow, time::Duration};

use lab::database::database;
use money::time;
use mysql::DatabaseConfig;
use sqlx::{Connection, MySqlConnection, MySqlPool, migrate::Migrator};
use tokio::time::{Instant, sleep, timeout};
use user_service::{AppState, app::audit, migrations};

use crate::support::development;

/// Connections that the service opens at most.
const POOL_SIZE: u32 = 8;

/// The last migration before those that change the ledger's tables.
const BEFORE: i64 = 15;
/// How long a migration is watched while it cannot go on.
const WATCHED: Duration = Duration::from_secs(2);
/// The longest that a payment waits behind a migration, which gives a busy table up after 3 seconds.
const MAX_WAIT: Duration = Duration::from_secs(5);

fn until(version: i64) -> Migrator {
    let all = migrations();
    let migrations = all.migrations.iter().filter(|migration| migration.version <= version).cloned().collect();
    Migrator { migrations: Cow::Owned(migrations), ..all }
}

/// A state whose schema is at the version before, with one account.
async fn at_the_version_before() -> (lab::database::TestDatabase, MySqlPool, AppState) {
    let database = database().await;
    let mut config = development();
    config.service.database = DatabaseConfig::at(&database.url(), POOL_SIZE).unwrap();
    let pool = mysql::pool(&config.service.database);
    mysql::migrate(&pool, until(BEFORE)).await.unwrap();
    let account = "INSERT INTO users (id, full_name, balance, created_at, updated_at) VALUES (1, 'John Doe', 10, ?, ?)";
    sqlx::query(account).bind(time::now()).bind(time::now()).execute(&pool).await.unwrap();
    (database, pool, AppState::new(&config))
}

/// As a payment of the version before does.
async fn pay(pool: &MySqlPool) -> sqlx::Result<()> {
    sqlx::query("UPDATE users SET balance = balance - 1 WHERE id = 1").execute(pool).await.map(drop)
}

async fn digits(pool: &MySqlPool) -> u64 {
    sqlx::query_scalar(
        "SELECT CAST(numeric_precision AS UNSIGNED) FROM information_schema.columns
         WHERE table_schema = DATABASE() AND table_name = 'users' AND column_name = 'balance'",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_migration_waits_for_an_audit_and_payments_do_not_wait_behind_it() {
    let (_database, pool, state) = at_the_version_before().await;
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
        assert_eq!(digits(&pool).await, 19);
        audit.close().await.unwrap();
    };
    let (migrated, ()) = tokio::join!(state.migrate(), payments);
    migrated.unwrap();
    assert_eq!(digits(&pool).await, 28);
}

#[tokio::test]
async fn a_migration_gives_a_busy_table_up_so_that_payments_go_on_and_tries_again() {
    let (_database, pool, state) = at_the_version_before().await;
    // a proof that somebody asked for: it reads the table as it was, for as long as it takes
    let mut proof = pool.begin().await.unwrap();
    sqlx::query("SELECT * FROM users").fetch_all(&mut *proof).await.unwrap();
    let payments = async {
        sleep(Duration::from_secs(1)).await;
        timeout(MAX_WAIT, pay(&pool)).await.expect("a payment waits behind the migration for seconds only").unwrap();
        proof.rollback().await.unwrap();
    };
    let (migrated, ()) = tokio::join!(state.migrate(), payments);
    migrated.unwrap();
    assert_eq!(digits(&pool).await, 28);
}

#[tokio::test]
async fn a_migration_whose_process_was_killed_is_carried_on_by_the_next_one() {
    let (_database, pool, state) = at_the_version_before().await;
    let all = migrations();
    let next = |version: i64| all.iter().find(|migration| migration.version > version).expect("there are more").clone();
    let killed = |version: i64, checksum: Vec<u8>| {
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (?, 'killed', FALSE, ?, -1)",
        )
        .bind(version)
        .bind(checksum)
    };
    // noted, and without effect
    let first = next(BEFORE);
    killed(first.version, first.checksum.to_vec()).execute(&pool).await.unwrap();
    state.migrate().await.unwrap();
    assert_eq!(digits(&pool).await, 28);
    // in effect, and not noted: a table that exists already
    let created = all.iter().find(|migration| migration.sql.as_str().contains("CREATE TABLE")).unwrap();
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = ?").bind(created.version).execute(&pool).await.unwrap();
    killed(created.version, created.checksum.to_vec()).execute(&pool).await.unwrap();
    state.migrate().await.unwrap();
    let noted: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM _sqlx_migrations WHERE success").fetch_one(&pool).await.unwrap();
    assert_eq!(noted, i64::try_from(all.iter().count()).unwrap());
}
