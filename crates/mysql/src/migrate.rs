//! Brings a schema up to date when a service starts, one instance at a time, while the instances of the version before go on.
//!
//! Each migration is one statement, and DDL is atomic: it takes effect as a whole or not at all. A statement that changes a
//! table waits until nobody uses it, and whoever comes later waits behind it. So it never waits for long: it gives up, lets
//! the others through and tries again.

use std::{collections::HashMap, time::Duration};

use sqlx::{
    AssertSqlSafe, MySql, MySqlConnection, MySqlPool,
    migrate::{Migrate, MigrateError, Migrator},
    pool::PoolConnection,
};
use tokio::time::{Instant, sleep};

use crate::{
    error::{is_unavailable, number},
    tls,
};

/// How long a service waits at its start for the database to appear.
const STARTUP_TIMEOUT: Duration = Duration::from_mins(1);
/// Seconds that an instance waits for another one that is migrating.
const MIGRATION_LOCK_SECONDS: u32 = 120;
/// Seconds that a migration waits for a lock that excludes other work.
const APART_SECONDS: u32 = 600;
/// Seconds that a migration waits for a table, and that payments wait behind it.
const TABLE_WAIT_SECONDS: u32 = 3;
/// The pause before a migration waits for a table again.
const TABLE_PAUSE: Duration = Duration::from_secs(5);
/// How long a migration tries to get its table.
const TABLE_LIMIT: Duration = Duration::from_mins(10);
/// Where sqlx notes what has been applied.
const APPLIED: &str = "_sqlx_migrations";

/// Waits for the database and brings the schema up to date, one instance at a time.
pub async fn migrate(pool: &MySqlPool, migrations: Migrator) -> anyhow::Result<()> {
    migrate_apart_from(pool, migrations, None).await
}

/// The same; if there is something to do, then only while it holds the database's lock `<apart_from>.<schema>`, under which
/// an instance does work that keeps tables busy for long.
pub async fn migrate_apart_from(
    pool: &MySqlPool,
    mut migrations: Migrator,
    apart_from: Option<&str>,
) -> anyhow::Result<()> {
    let mut conn = connect(pool).await?;
    tls::log_cipher(&mut conn).await?;
    // its locks and settings end with the session
    conn.close_on_drop();
    lock(&mut conn, "migrate", MIGRATION_LOCK_SECONDS).await?;
    migrations.set_locking(false); // sqlx's own lock waits for ever, which MariaDB answers with NULL
    // a version may be started again on the schema of the next one, which only adds to it
    migrations.set_ignore_missing(true);
    let wait = format!("SET SESSION lock_wait_timeout = {TABLE_WAIT_SECONDS}");
    sqlx::query(AssertSqlSafe(wait)).execute(&mut *conn).await?;
    conn.ensure_migrations_table(APPLIED).await?;
    if is_up_to_date(&mut conn, &migrations).await? {
        return Ok(()); // whatever a newer version has begun beside it
    }
    if let Some(name) = apart_from {
        lock(&mut conn, name, APART_SECONDS).await?;
    }
    let deadline = Instant::now() + TABLE_LIMIT;
    loop {
        let interrupted = forget_interrupted(&mut conn).await?;
        match migrations.run(&mut *conn).await {
            Ok(()) => return Ok(()),
            Err(MigrateError::ExecuteMigration(error, version)) if exists(&error) && interrupted == Some(version) => {
                // a process that was killed after its statement took effect could not note it
                note_applied(&mut conn, version).await?;
            }
            Err(MigrateError::ExecuteMigration(error, version))
                if number(&error) == Some(1205) && Instant::now() < deadline =>
            {
                tracing::info!(version, "a table is busy: the migration lets others through and tries again");
                sleep(TABLE_PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn connect(pool: &MySqlPool) -> anyhow::Result<PoolConnection<MySql>> {
    let deadline = Instant::now() + STARTUP_TIMEOUT;
    loop {
        match pool.acquire().await {
            Ok(conn) => return Ok(conn),
            Err(error) if tls::is_fault(&error) => {
                return Err(
                    anyhow::Error::new(error).context("the database does not offer the TLS that DB_TLS demands")
                );
            }
            Err(error) if Instant::now() < deadline && is_unavailable(&error) => {
                tracing::warn!(%error, "waiting for the database");
                sleep(Duration::from_secs(1)).await;
            }
            Err(error) => return Err(anyhow::Error::new(error).context("the database cannot be reached")),
        }
    }
}

async fn lock(conn: &mut MySqlConnection, name: &str, seconds: u32) -> anyhow::Result<()> {
    let taken: Option<i64> = sqlx::query_scalar("SELECT GET_LOCK(CONCAT(?, '.', DATABASE()), ?)")
        .bind(name)
        .bind(seconds)
        .fetch_one(conn)
        .await?;
    anyhow::ensure!(taken == Some(1), "another instance has held the lock {name:?} of this schema for too long");
    Ok(())
}

/// True if all migrations have been applied; an error if one was another than now.
async fn is_up_to_date(conn: &mut MySqlConnection, migrations: &Migrator) -> anyhow::Result<bool> {
    let applied: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success").fetch_all(&mut *conn).await?;
    let applied: HashMap<i64, Vec<u8>> = applied.into_iter().collect();
    for migration in migrations.iter() {
        match applied.get(&migration.version) {
            None => return Ok(false),
            Some(checksum) if *checksum != *migration.checksum => {
                let other = anyhow::Error::new(MigrateError::VersionMismatch(migration.version));
                return Err(other.context(
                    "this schema was made by a version from before 1.0, whose migrations were others: begin with an empty one \
                     (`cargo xtask reset`, or `docker compose down --volumes`)",
                ));
            }
            Some(_) => {}
        }
    }
    Ok(true)
}

/// Forgets the migration during which a process was killed, or gave up, so that it is run again; returns its version.
async fn forget_interrupted(conn: &mut MySqlConnection) -> sqlx::Result<Option<i64>> {
    let version: Option<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE NOT success LIMIT 1")
        .fetch_optional(&mut *conn)
        .await?;
    sqlx::query("DELETE FROM _sqlx_migrations WHERE NOT success").execute(conn).await?;
    Ok(version)
}

/// Notes a migration as applied that has just failed because its effect is there.
async fn note_applied(conn: &mut MySqlConnection, version: i64) -> sqlx::Result<()> {
    sqlx::query("UPDATE _sqlx_migrations SET success = TRUE WHERE version = ?").bind(version).execute(conn).await?;
    Ok(())
}

/// What a migration adds is there: a table (1050), a column (1060), an index (1061), or a constraint (1826, 3822).
fn exists(error: &sqlx::Error) -> bool {
    matches!(number(error), Some(1050 | 1060 | 1061 | 1826 | 3822))
}
