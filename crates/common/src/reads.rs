//! Connections for lists, feeds and reports: few, apart from those that move money, with a limit on each statement. So a
//! read can neither take the connection that a payment needs nor keep the server busy for long; and one user, however
//! many connections it has, reads with one of them at a time.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use batch::{Held, PerKey};
use money::UserId;
use mysql::{DatabaseConfig, HeldUp};
use sqlx::{
    AssertSqlSafe, Executor, MySql, MySqlConnection, MySqlPool, Row, mysql::MySqlPoolOptions, pool::PoolConnection,
};
use tokio::{runtime::Handle, time::timeout};

use crate::{
    codes,
    error::Result,
    monitoring::{number, show},
    worker::{Pace, Rest, Step, Workers},
};

/// How long one statement may take before the server ends it.
pub const STATEMENT_LIMIT: Duration = Duration::from_secs(2);
/// How long a read waits for earlier reads of the same user before it is answered 503.
pub const USER_LOCK_TIMEOUT: Duration = Duration::from_secs(3);

/// The pool of reads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ReadPool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: MySqlPool,
    users: PerKey<UserId, ()>,
}

/// A connection to read with. No other read for the same user runs at the same time in this instance.
#[derive(Debug)]
pub struct Reading {
    // given back before the next read of the user may take one
    conn: PoolConnection<MySql>,
    _permit: Option<Held<UserId, ()>>,
}

impl ReadPool {
    /// A pool of `DB_READ_POOL_SIZE` connections, which connects when first used.
    pub fn new(config: &DatabaseConfig) -> Self {
        let options = MySqlPoolOptions::new()
            .max_connections(config.read_pool_size)
            .after_connect(|conn, _| Box::pin(prepare_session(conn)));
        Self(Arc::new(Inner { pool: mysql::connect(options, config), users: PerKey::default() }))
    }

    /// A connection for another service, or for whoever may read everybody's rows.
    pub async fn acquire(&self) -> sqlx::Result<Reading> {
        Ok(Reading { conn: self.0.pool.acquire().await?, _permit: None })
    }

    /// A connection to read what one user may see, once its reads before this one have ended; for anybody if there is no
    /// such user. After [`USER_LOCK_TIMEOUT`] 503 `overloaded`.
    pub async fn acquire_for(&self, user: Option<UserId>) -> Result<Reading> {
        self.acquire_within(user, USER_LOCK_TIMEOUT).await
    }

    /// The same for whoever has more patience, as an answer has that is under way.
    pub async fn acquire_within(&self, user: Option<UserId>, patience: Duration) -> Result<Reading> {
        let Some(user) = user else { return Ok(self.acquire().await?) };
        let permit = timeout(patience, self.0.users.lock(user)).await.map_err(|_| codes::OVERLOADED)?;
        Ok(Reading { conn: self.0.pool.acquire().await?, _permit: Some(permit) })
    }

    /// A snapshot for what one user may see, as [`ReadPool::acquire_for`] gives a connection.
    pub async fn snapshot_for(&self, user: Option<UserId>) -> Result<Snapshot> {
        let mut snapshot = Snapshot { reading: Some(self.acquire_for(user).await?) };
        snapshot.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
        snapshot.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await?;
        Ok(snapshot)
    }

    /// Shows in the metrics how much of the pool is used.
    pub fn show(&self) {
        const NAME: &str = "database_read_connections";
        let (idle, open) = (number(self.0.pool.num_idle()), f64::from(self.0.pool.size()));
        metrics::describe_gauge!(NAME, "Connections to the database for lists, feeds and reports");
        metrics::gauge!(NAME, "state" => "idle").set(idle);
        metrics::gauge!(NAME, "state" => "used").set((open - idle).max(0.0));
        let most = f64::from(self.0.pool.options().get_max_connections());
        show("database_read_connections_max", "Connections for reads that this instance opens at most", most);
    }
}

/// Reads that all see what was committed when the first one began. It ends when it is dropped.
#[derive(Debug)]
pub struct Snapshot {
    /// `None` only while it is dropped.
    reading: Option<Reading>,
}

impl Deref for Snapshot {
    type Target = MySqlConnection;
    fn deref(&self) -> &MySqlConnection {
        self.reading.as_ref().expect("it is there until the snapshot is over")
    }
}

impl DerefMut for Snapshot {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        self.reading.as_mut().expect("it is there until the snapshot is over")
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // without a runtime the process ends, and its sessions with it
        let (Some(mut reading), Ok(runtime)) = (self.reading.take(), Handle::try_current()) else { return };
        runtime.spawn(async move {
            if reading.conn.execute("ROLLBACK").await.is_err() {
                reading.conn.close_on_drop();
            }
        });
    }
}

async fn prepare_session(conn: &mut MySqlConnection) -> sqlx::Result<()> {
    mysql::prepare_session(conn).await?;
    let version: String = conn.fetch_one("SELECT VERSION()").await?.try_get(0)?;
    let limit = if version.contains("MariaDB") {
        format!("SET SESSION max_statement_time = {}", STATEMENT_LIMIT.as_secs_f64())
    } else {
        format!("SET SESSION max_execution_time = {}", STATEMENT_LIMIT.as_millis())
    };
    conn.execute(AssertSqlSafe(limit)).await?;
    Ok(())
}

impl Deref for Reading {
    type Target = MySqlConnection;
    fn deref(&self) -> &MySqlConnection {
        &self.conn
    }
}

impl DerefMut for Reading {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        &mut self.conn
    }
}

/// Starts the worker that looks at what holds units of work up: see [`HeldUp`].
pub fn watch(pool: &MySqlPool, reads: &ReadPool, workers: &Workers) {
    let held_up = HeldUp::new(pool.clone(), reads.0.pool.clone());
    workers.spawn("held_up", Pace { idle: Duration::ZERO, rest: Rest::Never }, move || {
        let held_up = held_up.clone();
        async move {
            held_up.run_once().await?;
            Ok(Step::Idle)
        }
    });
}
