//! Ends sessions that hold others up. An instance that is frozen or cut off in the middle of a database transaction keeps its
//! locks until the server gives the session up, which takes 45 seconds: the other instances do not wait for that.

use std::{collections::HashMap, time::Duration};

use sqlx::{AssertSqlSafe, MySqlConnection};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::number;
use crate::{
    reads::ReadPool,
    worker::{Pace, Rest, Step, Workers},
};

/// How long a unit of work takes before somebody looks what holds it up.
pub(super) const HELD_UP_AFTER: Duration = Duration::from_millis(300);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// In how many looks, one after the other, a session must have been silent while somebody waited: more than a second.
const LOOKS: usize = 6;
/// How long a step waits for something to do: a shutdown waits for it.
const STEP: Duration = Duration::from_millis(250);
/// The server does not know the session any more, or has given its number to somebody else.
const NOT_OURS: [u16; 2] = [1094, 1095];

/// A unit of work in this process is held up.
static HELD_UP: Notify = Notify::const_new();

/// Has somebody look for what holds a unit of work up.
pub(super) fn is_held_up() {
    HELD_UP.notify_one();
}

/// Starts the worker that looks, through `reads`: the other pool may be what waits.
pub fn watch(reads: &ReadPool, workers: &Workers) {
    let reads = reads.clone();
    workers.spawn("sessions", Pace { idle: Duration::ZERO, rest: Rest::Never }, move || {
        let reads = reads.clone();
        async move {
            if timeout(STEP, HELD_UP.notified()).await.is_ok() {
                look(&reads).await?;
            }
            Ok(Step::Idle)
        }
    });
}

/// Ends the sessions that say nothing all the while that somebody waits to write. An instance that runs is never silent for so
/// long inside of a database transaction, and a session outside of one is not missed.
async fn look(reads: &ReadPool) -> sqlx::Result<()> {
    let mut conn = reads.acquire().await?;
    let begun = silent(&mut conn).await?;
    let mut lasting = begun.clone();
    for _ in 1..LOOKS {
        if lasting.is_empty() {
            return Ok(());
        }
        sleep(PAUSE).await;
        let now = silent(&mut conn).await?;
        // whoever said something in between has been silent for a shorter time
        lasting = now.into_iter().filter(|(id, time)| lasting.get(id).is_some_and(|before| before <= time)).collect();
    }
    // the server counts whole seconds, and not all of them from the end of the last statement
    lasting.retain(|id, time| begun[id] < *time);
    for id in lasting.keys() {
        tracing::warn!(session = id, "ending a session that is silent while others wait");
        let ended = sqlx::raw_sql(AssertSqlSafe(format!("KILL {id}"))).execute(&mut *conn).await;
        if let Err(error) = ended
            && !number(&error).is_some_and(|number| NOT_OURS.contains(&number))
        {
            return Err(error);
        }
    }
    Ok(())
}

/// The sessions of this account in this schema that say nothing, and for how many seconds; none if nobody waits to write.
async fn silent(conn: &mut MySqlConnection) -> sqlx::Result<HashMap<u64, i64>> {
    let sessions: Vec<(u64, i64, bool)> = sqlx::query_as(
        "SELECT CAST(id AS UNSIGNED), CAST(time AS SIGNED), command = 'Sleep'
         FROM information_schema.processlist
         WHERE db = DATABASE() AND user = SUBSTRING_INDEX(CURRENT_USER(), '@', 1) AND id <> CONNECTION_ID()
           AND (command = 'Sleep' OR info LIKE 'INSERT%' OR info LIKE 'UPDATE%' OR info LIKE 'DELETE%'
                OR info LIKE '%FOR UPDATE%' OR info LIKE '%FOR SHARE%')",
    )
    .fetch_all(conn)
    .await?;
    if sessions.iter().all(|(.., is_silent)| *is_silent) {
        return Ok(HashMap::new());
    }
    Ok(sessions.into_iter().filter(|(.., is_silent)| *is_silent).map(|(id, time, _)| (id, time)).collect())
}
