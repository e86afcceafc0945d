//! Pools, whose sessions all have the same strict settings.

use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::{
    ConnectOptions, Connection, Executor, MySqlConnection, MySqlPool,
    mysql::{MySqlConnectOptions, MySqlPoolOptions},
};

use crate::config::DatabaseConfig;

/// How long a request waits for a connection before it is answered 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// Seconds that a statement waits for a row lock before the unit of work starts again (error 1205).
const LOCK_WAIT_SECONDS: u32 = 5;
/// Prepared statements that a connection keeps. Closing one stalls the next by 40 ms, because sqlx leaves Nagle's
/// algorithm on: [`crate::push_list`] and [`crate::bulk`] keep their number small. The server's limit, 16,382 in all, leaves room
/// for eight instances with full pools.
const STATEMENT_CACHE: usize = 100;
/// How long a connection may idle before it is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// A connection that has idled for longer is tried before it is used: asking each time would cost a round trip for each
/// unit of work.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// Seconds after which the server rolls back and ends a session that has fallen silent, so that no database
/// transaction of a stalled instance stays open. Longer than [`IDLE_TIMEOUT`].
const SILENCE_SECONDS: u32 = 45;

/// A pool whose sessions all have the same strict settings. It connects when first used.
pub fn pool(config: &DatabaseConfig) -> MySqlPool {
    let options = MySqlPoolOptions::new()
        .max_connections(config.pool_size)
        .after_connect(|conn, _| Box::pin(prepare_session(conn)));
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
        .before_acquire(|conn, idle| {
            Box::pin(
                async move { if idle.idle_for < TRUSTED_FOR { Ok(true) } else { conn.ping().await.map(|()| true) } },
            )
        })
        .connect_lazy_with(options)
}

/// Sets what every session needs, whatever it is for.
pub async fn prepare_session(conn: &mut MySqlConnection) -> sqlx::Result<()> {
    conn.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
    conn.execute(sqlx::AssertSqlSafe(format!(
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE', \
         time_zone = '+00:00', innodb_lock_wait_timeout = {LOCK_WAIT_SECONDS}, wait_timeout = {SILENCE_SECONDS}"
    )))
    .await?;
    Ok(())
}
