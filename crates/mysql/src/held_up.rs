//! What is done when a unit of work is held up.
//!
//! If the database lets writes wait, as with a full disk, further ones are refused at once until it no longer does: each would only
//! be given up later, with an unknown outcome. And sessions that hold others up are ended: an instance that is frozen or cut off in
//! the middle of a database transaction keeps its locks until the server gives the session up, which takes 45 seconds.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures::future::join;
use sqlx::{AssertSqlSafe, MySqlConnection, MySqlPool};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use crate::{broken, error::number, readiness::Readiness};

/// How long a unit of work takes before somebody looks what holds it up.
pub(super) const HELD_UP_AFTER: Duration = Duration::from_millis(300);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// How many looks there are: afterwards it is something else.
const LOOKS: usize = 12;
/// From which look on whoever is held up has waited for a second.
const IN_TIME: usize = 4;
/// How long a session is silent before it is ended. MySQL counts the seconds that have begun since its last statement: with 1, a
/// connection could be meant that was used a moment ago.
const SILENT_SECONDS: i64 = 2;
/// How long it takes until whoever waited for a session that was ended goes on.
const RELIEF: Duration = Duration::from_millis(25);
/// How long a step waits for something to do: a shutdown waits for it.
const STEP: Duration = Duration::from_millis(250);
/// The server does not know the session any more, or has given its number to somebody else.
const NOT_OURS: [u16; 2] = [1094, 1095];

/// A unit of work in this process is held up.
static HELD_UP: Notify = Notify::const_new();

/// Writes wait: no unit of work begins.
static IS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Has somebody look for what holds a unit of work up.
pub(super) fn is_held_up() {
    HELD_UP.notify_one();
}

/// True while the database lets writes wait.
pub(super) fn is_closed() -> bool {
    IS_CLOSED.load(Ordering::Relaxed)
}

/// Looks at what holds units of work up. Cheap to clone.
#[derive(Clone)]
pub struct HeldUp {
    readiness: Readiness,
    reads: MySqlPool,
}

impl HeldUp {
    /// Looks at whether `pool` can be written to, and through `reads`, since the other one may be what waits, for sessions that
    /// are silent.
    pub fn new(pool: MySqlPool, reads: MySqlPool) -> Self {
        Self { readiness: Readiness::new(pool), reads }
    }

    /// Waits a moment for a unit of work that is held up, and does something about it.
    pub async fn run_once(&self) -> sqlx::Result<()> {
        if is_closed() {
            sleep(STEP).await;
            if self.readiness.is_ready().await {
                tracing::info!("the database can be written to again");
                IS_CLOSED.store(false, Ordering::Relaxed);
            }
        } else if timeout(STEP, HELD_UP.notified()).await.is_ok() {
            let (is_ready, looked) = join(self.readiness.is_ready(), look(&self.reads)).await;
            // twice, so that a short stall refuses nobody
            if !is_ready && !self.readiness.is_ready().await {
                tracing::error!("the database lets writes wait: they are refused until it no longer does");
                IS_CLOSED.store(true, Ordering::Relaxed);
            }
            looked?;
        }
        Ok(())
    }
}

/// Ends sessions that have said nothing for too long while somebody waits to write, one after the other until nobody does. An
/// instance that runs is never silent for so long inside of a database transaction, and a session outside of one is tried before it
/// is used again.
async fn look(reads: &MySqlPool) -> sqlx::Result<()> {
    let mut conn = reads.acquire().await?;
    for number in 0..LOOKS {
        sleep(PAUSE).await;
        let Sessions { silent, somebody_waits } = Sessions::of_this_account(&mut conn).await?;
        // who holds the lock has not been silent for much longer than the others wait
        let mut suspects: Vec<_> = silent.into_iter().filter(|(_, time)| *time >= SILENT_SECONDS).collect();
        suspects.sort_unstable_by_key(|(_, time)| *time);
        if !somebody_waits && number >= IN_TIME {
            return Ok(());
        }
        if somebody_waits && !suspects.is_empty() {
            return end(&mut conn, suspects.into_iter().map(|(id, _)| id)).await;
        }
    }
    Ok(())
}

async fn end(conn: &mut MySqlConnection, suspects: impl Iterator<Item = u64>) -> sqlx::Result<()> {
    for id in suspects {
        if !Sessions::of_this_account(conn).await?.somebody_waits {
            return Ok(());
        }
        tracing::warn!(session = id, "ending a session that is silent while others wait");
        broken::note(); // it may be an idle one of our own
        let ended = sqlx::raw_sql(AssertSqlSafe(format!("KILL {id}"))).execute(&mut *conn).await;
        if let Err(error) = ended
            && !number(&error).is_some_and(|number| NOT_OURS.contains(&number))
        {
            return Err(error);
        }
        sleep(RELIEF).await;
    }
    Ok(())
}

/// The sessions of an account in its schema, apart from the one that asks.
struct Sessions {
    /// Those that say nothing, and for how many seconds.
    silent: Vec<(u64, i64)>,
    /// Somebody has tried to write for a second.
    somebody_waits: bool,
}

impl Sessions {
    async fn of_this_account(conn: &mut MySqlConnection) -> sqlx::Result<Self> {
        let sessions: Vec<(u64, i64, bool)> = sqlx::query_as(
            "SELECT CAST(id AS UNSIGNED), CAST(time AS SIGNED), command = 'Sleep'
             FROM information_schema.processlist
             WHERE db = DATABASE() AND user = SUBSTRING_INDEX(CURRENT_USER(), '@', 1) AND id <> CONNECTION_ID()
               AND (command = 'Sleep' OR info LIKE 'INSERT%' OR info LIKE 'UPDATE%' OR info LIKE 'DELETE%'
                    OR info LIKE '%FOR UPDATE%' OR info LIKE '%FOR SHARE%')",
        )
        .fetch_all(conn)
        .await?;
        let somebody_waits = sessions.iter().any(|(_, time, is_silent)| !is_silent && *time >= 1);
        let silent =
            sessions.into_iter().filter(|(.., is_silent)| *is_silent).map(|(id, time, _)| (id, time)).collect();
        Ok(Self { silent, somebody_waits })
    }
}
