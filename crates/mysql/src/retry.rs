//! How a unit of work is repeated, and when it is given up.

use std::{cell::Cell, io, pin::pin, sync::Arc, time::Duration};

use metrics::counter;
use tokio::time::timeout;

use crate::{
    broken,
    error::{DbError, is_transient, is_unavailable, number},
    held_up::{HELD_UP_AFTER, is_closed, is_held_up},
};

/// The metric of units of work that started again, by cause.
pub const RETRIES: &str = "database_retries_total";

/// How often a unit of work is tried in all.
const MAX_ATTEMPTS: u32 = 6;
/// The pause before the first repetition; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// How long a unit of work may take, repetitions included. A server whose disk is full may let writes wait for ever; whoever
/// asks other services waits longer than this.
const PATIENCE: Duration = Duration::from_secs(6);

tokio::task_local! {
    /// True while a commit is under way of which it is not known what it did.
    static IS_COMMITTING: Cell<bool>;
    /// True in the first attempt, after which there is another one if its connection turns out to be broken.
    static IS_FIRST: Cell<bool>;
}

/// Notes that a commit begins, or has ended.
pub(super) fn is_committing(it_is: bool) {
    IS_COMMITTING.try_with(|committing| committing.set(it_is)).ok();
}

/// True for whoever is repeated if its connection turns out to be broken.
pub(super) fn is_repeated() -> bool {
    IS_FIRST.try_with(Cell::get).unwrap_or(false)
}

/// Runs a unit of work (from [`crate::begin`] to [`crate::Unit::commit`]) until it ends, for a bounded number of times.
///
/// Deadlocks, lock time-outs, races for a unique key and unknown commits start it again from BEGIN, so `work` must be
/// safe to run twice: whatever it inserts has a unique key by which the second run finds the first. Its argument is the number of
/// the attempt, from 1 on: the first one may be optimistic that nobody was faster; the others must look.
///
/// What hangs is given up after 6 seconds: its outcome is unknown if that was in a commit, now or in an attempt before. While the
/// database lets writes wait, nothing begins.
pub async fn retry<T, F>(work: impl FnMut(u32) -> F) -> Result<T, DbError>
where
    F: Future<Output = Result<T, DbError>>,
{
    let hung = || Arc::new(sqlx::Error::Io(io::ErrorKind::TimedOut.into()));
    if is_closed() {
        return Err(DbError::Sql(hung()));
    }
    IS_COMMITTING
        .scope(Cell::new(false), async {
            let mut unknown_commit = None;
            let ended = {
                let mut repeated = pin!(repeat(work, &mut unknown_commit));
                match timeout(HELD_UP_AFTER, &mut repeated).await {
                    Ok(ended) => Ok(ended),
                    Err(_) => {
                        is_held_up();
                        timeout(PATIENCE.saturating_sub(HELD_UP_AFTER), repeated).await
                    }
                }
            };
            match ended {
                Ok(ended) => ended,
                Err(_) => {
                    tracing::warn!(patience = PATIENCE.as_secs(), "the database lets a unit of work wait");
                    Err(match unknown_commit {
                        Some(unknown) => unknown,
                        None if IS_COMMITTING.with(Cell::get) => DbError::CommitUnknown(hung()),
                        None => DbError::Sql(hung()),
                    })
                }
            }
        })
        .await
}

async fn repeat<T, F>(mut work: impl FnMut(u32) -> F, unknown_commit: &mut Option<DbError>) -> Result<T, DbError>
where
    F: Future<Output = Result<T, DbError>>,
{
    let mut pause = FIRST_PAUSE;
    for attempt in 1.. {
        let attempted = IS_FIRST.scope(Cell::new(attempt == 1), work(attempt));
        let error = match attempted.await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if error.is_about_the_connection() {
            broken::note();
        }
        let again = match &error {
            DbError::CommitUnknown(_) | DbError::Raced(_) => true,
            // nothing was committed on a connection that broke before the commit: often only the server was started again
            DbError::Sql(cause) => {
                is_transient(cause)
                    || (error.is_about_the_connection() && attempt == 1)
                    || (unknown_commit.is_some() && is_unavailable(cause))
            }
        };
        if !again || attempt == MAX_ATTEMPTS || is_closed() {
            // while the database lets writes wait, nothing begins; once a commit was unknown, a later failure says nothing about it
            return Err(unknown_commit.take().unwrap_or(error));
        }
        tracing::debug!(%error, attempt, "a unit of work starts again");
        counter!(RETRIES, "cause" => cause(&error)).increment(1);
        match error {
            DbError::Raced(_) => continue, // whoever was faster is done
            DbError::CommitUnknown(_) => {
                *unknown_commit = Some(error);
                pause = pause.max(Duration::from_millis(100));
            }
            DbError::Sql(_) => {}
        }
        tokio::time::sleep(jittered(pause)).await;
        pause *= 2;
    }
    unreachable!("the loop returns at its last attempt")
}

/// Half of the pause to all of it: those that failed together do not meet again.
fn jittered(pause: Duration) -> Duration {
    pause * fastrand::u32(50..=100) / 100
}

/// Why a unit of work starts again, for the metrics.
fn cause(error: &DbError) -> &'static str {
    match error {
        DbError::Raced(_) => "raced",
        DbError::CommitUnknown(_) => "commit_unknown",
        DbError::Sql(cause) => match number(cause) {
            Some(1213) => "deadlock",
            Some(1205) => "lock_wait",
            Some(1020) => "changed_since_read",
            Some(3101) => "rolled_back_by_group",
            _ => "connection",
        },
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn repetitions_wait_for_longer_and_longer_and_never_in_step() {
        let gone = || DbError::Sql(Arc::new(sqlx::Error::Io(io::ErrorKind::ConnectionReset.into())));
        let mut waits = std::collections::BTreeSet::new();
        for _ in 0..20 {
            let (begun, mut attempts) = (Instant::now(), 0);
            let ended = retry(|attempt| {
                attempts = attempt;
                // an unknown commit, and a database that is away after it
                std::future::ready(if attempt == 1 {
                    Err::<(), _>(DbError::CommitUnknown(Arc::new(sqlx::Error::PoolClosed)))
                } else {
                    Err(gone())
                })
            })
            .await;
            assert!(matches!(ended, Err(DbError::CommitUnknown(_))), "what came later says nothing about it");
            assert_eq!(attempts, MAX_ATTEMPTS);
            waits.insert(begun.elapsed());
        }
        let longest = Duration::from_millis(100 * (1 + 2 + 4 + 8 + 16));
        assert!(waits.len() > 1 && waits.iter().all(|wait| *wait <= longest && *wait >= longest / 2), "{waits:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_hangs_is_given_up_and_in_a_commit_nobody_knows_what_it_did() {
        let hanging = async |in_commit: bool| {
            let begun = Instant::now();
            let work = |_| async {
                IS_COMMITTING.with(|committing| committing.set(in_commit));
                std::future::pending::<Result<(), DbError>>().await
            };
            let error = retry(work).await.unwrap_err();
            assert_eq!(begun.elapsed(), PATIENCE);
            error
        };
        let before = hanging(false).await;
        assert!(matches!(before, DbError::Sql(_)) && before.is_unavailable(), "{before:?}");
        assert!(matches!(hanging(true).await, DbError::CommitUnknown(_)));
    }
}
