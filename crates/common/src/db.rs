//! The rules of MySQL and MariaDB that every service follows: the session, the migrations, which errors mean what,
//! and how a unit of work is repeated.

mod durability;
mod held_up;
mod migrate;
mod readiness;
mod retry;
mod tls;

use std::{
    io,
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use secrecy::ExposeSecret;
use sqlx::{
    ConnectOptions, Connection, Executor, MySql, MySqlConnection, MySqlPool, QueryBuilder, Transaction,
    mysql::{MySqlConnectOptions, MySqlPoolOptions},
};

pub use held_up::watch;
pub use migrate::{migrate, migrate_apart_from};
pub use readiness::Readiness;
pub use retry::retry;

use crate::{
    config::DatabaseConfig,
    fault::{Injected, Point},
};

pub use durability::require_durability;

/// How long a request waits for a connection before it is told 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// Seconds that a statement waits for a row lock before the unit of work starts again (error 1205).
const LOCK_WAIT_SECONDS: u32 = 5;
/// Prepared statements that a connection keeps. Closing one stalls the next by 40 ms, because sqlx leaves Nagle's
/// algorithm on: [`push_list`] and [`crate::bulk`] keep their number small. The server's limit, 16,382 in all, leaves room
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

/// Why a unit of work did not end as it should.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DbError {
    /// A statement failed: its transaction was rolled back. (One outside a transaction may have happened.)
    #[error(transparent)]
    Sql(Arc<sqlx::Error>),
    /// Another unit of work inserted the same unique key first: the next attempt finds it.
    #[error("another unit of work was faster")]
    Raced(#[source] Arc<sqlx::Error>),
    /// The connection broke during COMMIT: the work may have happened or not.
    #[error("the outcome of a commit is not known")]
    CommitUnknown(#[source] Arc<sqlx::Error>),
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error.into())
    }
}

impl DbError {
    /// True if the database cannot serve at the moment, or did not say what became of a commit.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Sql(error) => is_unavailable(error),
            Self::CommitUnknown(_) => true,
            Self::Raced(_) => false,
        }
    }
}

/// A pool whose sessions all have the same strict settings. It connects when first used.
pub fn pool(config: &DatabaseConfig) -> MySqlPool {
    let options = MySqlPoolOptions::new()
        .max_connections(config.pool_size)
        .after_connect(|conn, _| Box::pin(prepare_session(conn)));
    connect(options, config)
}

/// A pool with these options and the service's account.
pub(crate) fn connect(pool: MySqlPoolOptions, config: &DatabaseConfig) -> MySqlPool {
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

pub(crate) async fn prepare_session(conn: &mut MySqlConnection) -> sqlx::Result<()> {
    conn.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
    conn.execute(sqlx::AssertSqlSafe(format!(
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE', \
         time_zone = '+00:00', innodb_lock_wait_timeout = {LOCK_WAIT_SECONDS}, wait_timeout = {SILENCE_SECONDS}"
    )))
    .await?;
    Ok(())
}

/// A database transaction on its way to a commit, at a point that has a name. Dropping it rolls it back.
#[derive(Debug)]
pub struct Unit {
    tx: Transaction<'static, MySql>,
    point: Point,
}

/// Begins to write. There is no other way: whatever changes a row is committed at a point at which tests can stop it.
pub async fn begin(pool: &MySqlPool, point: Point) -> sqlx::Result<Unit> {
    Ok(Unit { tx: pool.begin().await?, point })
}

impl Unit {
    /// Commits, and tells apart a refused commit from one whose answer never came.
    pub async fn commit(self) -> Result<(), DbError> {
        let unknown = |error: sqlx::Error| DbError::CommitUnknown(error.into());
        self.point.before().await.map_err(broken)?;
        retry::is_committing(true);
        let committed = self.tx.commit().await;
        retry::is_committing(false);
        // an error other than a lost race can follow a commit that is durable all the same
        committed.map_err(|error| if is_transient(&error) { error.into() } else { unknown(error) })?;
        self.point.after().await.map_err(|injected| unknown(broken(injected)))
    }
}

impl Deref for Unit {
    type Target = MySqlConnection;
    fn deref(&self) -> &MySqlConnection {
        &self.tx
    }
}

impl DerefMut for Unit {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        &mut self.tx
    }
}

/// As if the connection to the database had broken.
fn broken(injected: Injected) -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::ConnectionReset, injected))
}

fn number(error: &sqlx::Error) -> Option<u16> {
    let database = error.as_database_error()?;
    Some(database.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()?.number())
}

/// The unit of work lost a race and may simply start again from BEGIN: deadlock (1213), lock wait time-out (1205),
/// record changed since it was read (1020), rolled back by the group (3101).
pub fn is_transient(error: &sqlx::Error) -> bool {
    matches!(number(error), Some(1213 | 1205 | 1020 | 3101))
}

/// The database cannot serve at the moment, as the numbers in [`UNAVAILABLE`] say, or there is no connection to it.
pub fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        _ => number(error).is_some_and(|number| UNAVAILABLE.contains(&number)),
    }
}

/// What the server says when it cannot serve, whatever is asked.
const UNAVAILABLE: &[u16] = &[
    1021, 1114, 1041, 1037, 1038, // no room on its disk or in a table, no memory
    1040, 1203, 1226, // too many connections, of all, of this account, or more than the account may use
    1044, 1045, 1049, 1129, 1130,
    1698, // access denied, no such schema, host blocked: being set up, or being changed
    1053, 1077, 1079, 1927, // shutting down, this connection killed
    1290, 1792, 1836, // read-only
    1317, 1969, 3024, // the statement was interrupted, or took longer than it may
    1158, 1159, 1160, 1161, 1184, // the network failed between server and client
    2003, 3032, 3100, // a router without a primary, a member out of its group, a plug-in that refuses the commit
];

/// A unique key has this row already (1062).
pub fn is_duplicate(error: &sqlx::Error) -> bool {
    number(error) == Some(1062)
}

/// Appends `(a, b, …)` for an IN. The list is padded to a power of two by repeating its last item, so that lists of all
/// lengths share a few prepared statements.
pub fn push_list<T>(query: &mut QueryBuilder<MySql>, items: impl IntoIterator<Item = T>)
where
    T: Clone + for<'q> sqlx::Encode<'q, MySql> + sqlx::Type<MySql>,
{
    let mut items: Vec<T> = items.into_iter().collect();
    let last = items.last().expect("an IN needs an item").clone();
    items.resize(items.len().next_power_of_two(), last);
    query.push("(");
    let mut list = query.separated(", ");
    for item in items {
        list.push_bind(item);
    }
    query.push(")");
}

/// For insertions that another unit of work may race: a duplicate key starts the work again, which then finds the row.
pub fn raced(error: sqlx::Error) -> DbError {
    if is_duplicate(&error) { DbError::Raced(error.into()) } else { error.into() }
}

/// For updates of rows that turn out to be another version than presumed: the next attempt looks at them.
pub fn stale() -> DbError {
    DbError::Raced(Arc::new(sqlx::Error::RowNotFound))
}

/// Stores an enum as the words that `strum` gives its variants: `VARCHAR`, so that a new variant needs no migration.
#[macro_export]
macro_rules! stored_as_text {
    ($($type:ty),+) => {$(
        impl sqlx::Type<sqlx::MySql> for $type {
            fn type_info() -> sqlx::mysql::MySqlTypeInfo {
                <str as sqlx::Type<sqlx::MySql>>::type_info()
            }

            fn compatible(info: &sqlx::mysql::MySqlTypeInfo) -> bool {
                <str as sqlx::Type<sqlx::MySql>>::compatible(info)
            }
        }

        impl sqlx::Encode<'_, sqlx::MySql> for $type {
            fn encode_by_ref(
                &self,
                buffer: &mut Vec<u8>,
            ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
                sqlx::Encode::<sqlx::MySql>::encode_by_ref(&<&'static str>::from(self), buffer)
            }
        }

        impl sqlx::Decode<'_, sqlx::MySql> for $type {
            fn decode(value: sqlx::mysql::MySqlValueRef<'_>) -> Result<Self, sqlx::error::BoxDynError> {
                Ok(<&str as sqlx::Decode<sqlx::MySql>>::decode(value)?.parse()?)
            }
        }
    )+};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_server_says_when_it_cannot_serve_is_told_as_that() {
        let database = harness::database::database().await;
        let pool = database.pool();
        for number in UNAVAILABLE {
            let signal = format!("SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'so it is'");
            let error = sqlx::raw_sql(sqlx::AssertSqlSafe(signal)).execute(&pool).await.unwrap_err();
            assert!(is_unavailable(&error), "{number}: {error}");
            let told = crate::ApiError::from(error);
            assert_eq!(
                (told.status().as_u16(), &told.body()["code"]),
                (503, &"database_unavailable".into()),
                "{number}"
            );
        }
        let unknown = sqlx::raw_sql("SELECT nothing").execute(&pool).await.unwrap_err();
        assert_eq!(crate::ApiError::from(unknown).status().as_u16(), 500);
    }
}
