//! Pools, whose sessions all have the same strict settings.

use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use sqlx::{
    ConnectOptions, Connection, Executor, MySqlConnection, MySqlPool,
    mysql::{MySqlConnectOptions, MySqlPoolOptions},
};

use crate::{broken, config::DatabaseConfig, distance, retry::is_repeated};

/// How long a request waits for a connection before it is answered 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// Seconds that a statement waits for a row lock before the unit of work starts again (error 1205).
const LOCK_WAIT_SECONDS: u32 = 5;
/// Seconds that a statement waits while all writes of the server are locked, as for a backup, before it fails with the same error:
/// before it is given up, so that whoever asked can be told that nothing has happened.
const LOCKED_SECONDS: u32 = 1;
/// Prepared statements that a connection keeps. Closing one stalls the next by 40 ms, because sqlx leaves Nagle's
/// algorithm on: [`crate::push_list`] and [`crate::bulk`] keep their number small. The server's limit, 16,382 in all, leaves room
/// for eight instances with full pools.
const STATEMENT_CACHE: usize = 100;
/// How long a connection may idle before it is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// A connection that has idled for longer is tried before it is used, unless for a unit of work, which is repeated if need be: to
/// ask each time would cost it a round trip.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// Seconds after which the server rolls back and ends a session that has fallen silent, so that no database
/// transaction of a stalled instance stays open. Longer than [`IDLE_TIMEOUT`].
const SILENCE_SECONDS: u32 = 45;

/// Whether `conn` can be used. If not, the others are not trusted either.
async fn is_alive(conn: &mut MySqlConnection, idle_for: Duration) -> sqlx::Result<bool> {
    let is_trusted = !broken::is_suspect(idle_for) && (idle_for < TRUSTED_FOR || is_repeated());
    if !is_trusted {
        conn.ping().await.inspect_err(|_| broken::note())?;
    }
    Ok(true)
}

/// A pool whose sessions all have the same strict settings. It connects when first used.
pub fn pool(config: &DatabaseConfig) -> MySqlPool {
    let options = MySqlPoolOptions::new().max_connections(config.pool_size).after_connect(|conn, _| {
        Box::pin(async move {
            prepare_session(conn).await?;
            conn.execute(sqlx::AssertSqlSafe(format!("SET SESSION lock_wait_timeout = {LOCKED_SECONDS}"))).await?;
            Ok(())
        })
    });
    connect(options, config)
}

/// A pool with these options and the service's account.
pub fn connect(pool: MySqlPoolOptions, config: &DatabaseConfig) -> MySqlPool {
    let options = MySqlConnectOptions::new()
        .host(&config.host)
        .port(config.port)
        .username(&config.user)
        .password(config.password.expose_secret())
        .database(&config.name)
        .ssl_mode(config.tls.mode())
        .charset("utf8mb4")
        .statement_cache_capacity(STATEMENT_CACHE)
        .disable_statement_logging(); // the text of a bulk statement has the values in it
    let options = config.ca_file.iter().fold(options, MySqlConnectOptions::ssl_ca);
    pool.acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(IDLE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|conn, idle| Box::pin(is_alive(conn, idle.idle_for)))
        .connect_lazy_with(options)
}

/// Sets what every session needs, whatever it is for.
pub async fn prepare_session(conn: &mut MySqlConnection) -> sqlx::Result<()> {
    let sent = Instant::now();
    conn.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
    distance::note(sent.elapsed());
    conn.execute(sqlx::AssertSqlSafe(format!(
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE', \
         time_zone = '+00:00', innodb_lock_wait_timeout = {LOCK_WAIT_SECONDS}, wait_timeout = {SILENCE_SECONDS}"
    )))
    .await?;
    Ok(())
}
