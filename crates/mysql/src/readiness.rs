//! Whether a service can work with its schema: every table is there, and a row can be written. A server whose disk is full, or
//! that is being backed up under a lock, answers questions and lets writes wait.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, MySqlPool};
use tokio::{
    sync::{Mutex, OnceCell},
    task::JoinHandle,
    time::timeout,
};

use crate::migrations::File;

/// The table that is written to.
pub const READINESS: File = crate::migration!("0002_readiness");
/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// For how long an answer holds, however often it is asked for.
const HOLDS_FOR: Duration = Duration::from_secs(1);

/// Tries whether the schema can be worked with. Cheap to clone.
#[derive(Clone)]
pub struct Readiness(Arc<Inner>);

struct Inner {
    pool: MySqlPool,
    /// The statement that looks at every table.
    look: OnceCell<String>,
    trial: Mutex<Trial>,
}

/// One trial at a time: those that hang would only use up connections.
#[derive(Default)]
struct Trial {
    running: Option<JoinHandle<sqlx::Result<()>>>,
    ended: Option<(Instant, bool)>,
}

impl Readiness {
    /// Whether the schema of `pool` can be worked with, which nobody has asked yet.
    pub fn new(pool: MySqlPool) -> Self {
        Self(Arc::new(Inner { pool, look: OnceCell::new(), trial: Mutex::default() }))
    }

    /// True if every table is there and a row was written just now.
    pub async fn is_ready(&self) -> bool {
        timeout(PATIENCE, self.ask()).await.unwrap_or(false)
    }

    async fn ask(&self) -> bool {
        let mut trial = self.0.trial.lock().await;
        if let Some((ended, is_ready)) = trial.ended
            && ended.elapsed() < HOLDS_FOR
        {
            return is_ready;
        }
        let running = trial.running.get_or_insert_with(|| tokio::spawn(try_out(self.0.clone())));
        // whoever stops waiting leaves it to the next one
        let outcome = running.await.map_err(|error| sqlx::Error::Io(std::io::Error::other(error))).flatten();
        if let Err(error) = &outcome {
            tracing::warn!(%error, "the schema cannot be worked with");
        }
        *trial = Trial { running: None, ended: Some((Instant::now(), outcome.is_ok())) };
        outcome.is_ok()
    }
}

async fn try_out(inner: Arc<Inner>) -> sqlx::Result<()> {
    let mut conn = inner.pool.acquire().await?;
    let look = inner.look.get_or_try_init(async || {
        // those that this version knows, and those that a newer one has added
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT CAST(table_name AS CHAR) FROM information_schema.tables WHERE table_schema = DATABASE()",
        )
        .fetch_all(&mut *conn)
        .await?;
        let looks = tables.iter().map(|table| format!("EXISTS(SELECT 1 FROM `{table}`)"));
        Ok::<_, sqlx::Error>(format!("SELECT {}", looks.collect::<Vec<_>>().join(", ")))
    });
    let look = look.await?.clone();
    sqlx::query(AssertSqlSafe(look)).fetch_one(&mut *conn).await?;
    let write = "INSERT INTO readiness (id, written_at) VALUES (1, NOW(6)) ON DUPLICATE KEY UPDATE written_at = NOW(6)";
    sqlx::query(write).execute(&mut *conn).await?;
    Ok(())
}
