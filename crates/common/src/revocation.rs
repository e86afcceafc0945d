//! Access tokens that end before their time, because the password was changed or the account was closed.
//!
//! user-service counts a version up for each user and writes it into the token. Every instance of every service keeps, in
//! memory, the versions that were counted up while tokens of an earlier one may still be about; it asks user-service for
//! new ones each second. While user-service cannot be reached, what is known stays in force; a process that has just begun and
//! knows nothing yet believes no access token.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    UserId,
    http::client::ServiceClient,
    point, time,
    worker::{Pace, Rest, Step, Workers},
};

/// Where user-service tells of them.
pub const REVOCATIONS_PATH: &str = "/internal/revocations";
/// The most that one answer tells; a shorter one is the end for now.
pub const MAX_REVOCATIONS: usize = 1000;
/// How often new ones are asked for.
const PACE: Pace = Pace { idle: Duration::from_secs(1), rest: Rest::Never };
/// How far each reading goes back behind the newest that it knows: a revocation shows only when it is committed, which may
/// be later than its time says, but no later than this.
const OVERLAP: TimeDelta = TimeDelta::seconds(60);

/// The end of a user's tokens of all versions before `version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, sqlx::FromRow)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Whose tokens.
    pub user_id: UserId,
    /// The first version that is valid.
    pub version: i32,
    /// When it was counted up, on the database's clock.
    pub revoked_at: DateTime<Utc>,
    /// When the last of the ended tokens would have expired by itself.
    pub matters_until: DateTime<Utc>,
}

/// Where a reader goes on; the default is the beginning.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Position {
    /// Revoked at this moment or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Of those revoked at exactly that moment, only users above this one.
    pub after_id: i64,
}

/// The revocations that this process knows. Cheap to clone.
#[derive(Clone, Default)]
pub struct Revocations(Arc<Inner>);

#[derive(Default)]
struct Inner {
    known: RwLock<HashMap<UserId, Revocation>>,
    /// From the start of [`watch`] until all that there were have been read once.
    awaited: AtomicBool,
}

impl Revocations {
    /// True if tokens of `version` have ended for `user`.
    pub fn have_ended(&self, user: UserId, version: i32) -> bool {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&user).is_some_and(|revocation| version < revocation.version)
    }

    /// True while nobody can say which tokens have ended: the process has just begun, and has not read it yet.
    pub fn are_awaited(&self) -> bool {
        self.0.awaited.load(Ordering::Relaxed)
    }

    /// Takes in what was read, and forgets what no longer matters.
    pub fn add(&self, read: impl IntoIterator<Item = Revocation>, now: DateTime<Utc>) {
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        for revocation in read {
            let stands = known.entry(revocation.user_id).or_insert(revocation);
            if stands.version < revocation.version {
                *stands = revocation;
            }
        }
        known.retain(|_, revocation| revocation.matters_until > now);
    }
}

/// Keeps `revocations` up to date with what `read` finds from a position on.
pub fn watch<F, Fut>(workers: &Workers, revocations: Revocations, read: F)
where
    F: Fn(Position) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = anyhow::Result<Vec<Revocation>>> + Send,
{
    let newest = Arc::new(Mutex::new(None));
    revocations.0.awaited.store(true, Ordering::Relaxed);
    workers.spawn("revocations", PACE, move || {
        let (revocations, read, newest) = (revocations.clone(), read.clone(), newest.clone());
        async move {
            let last: Option<DateTime<Utc>> = *newest.lock().unwrap_or_else(PoisonError::into_inner);
            let mut position = Position { since: last.map(|at| at - OVERLAP), after_id: 0 };
            loop {
                let page = read(position).await?;
                if let Some(last) = page.last() {
                    position = Position { since: Some(last.revoked_at), after_id: last.user_id.get() };
                    *newest.lock().unwrap_or_else(PoisonError::into_inner) = position.since;
                }
                let is_last = page.len() < MAX_REVOCATIONS;
                revocations.add(page, time::now());
                if is_last {
                    revocations.0.awaited.store(false, Ordering::Relaxed);
                    return Ok(Step::Idle);
                }
            }
        }
    });
}

/// [`watch`] in the services that ask user-service. Cheap to clone.
#[derive(Clone)]
pub struct Watch {
    revocations: Revocations,
    users: ServiceClient,
}

impl Watch {
    /// Will keep `revocations` up to date with what `users` tells.
    pub fn new(revocations: &Revocations, users: ServiceClient) -> Self {
        Self { revocations: revocations.clone(), users }
    }

    /// Starts to ask.
    pub fn start(&self, workers: &Workers) {
        let users = self.users.clone();
        watch(workers, self.revocations.clone(), move |position| {
            let users = users.clone();
            async move { Ok(users.get(point!("revocations"), REVOCATIONS_PATH, &position).await?) }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revocation(version: i32, matters_until: i64) -> Revocation {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let user_id = UserId::try_from(1).unwrap();
        Revocation { user_id, version, revoked_at: at(0), matters_until: at(matters_until) }
    }

    #[test]
    fn tokens_of_earlier_versions_have_ended_whatever_the_order_of_reading() {
        let (revocations, now) = (Revocations::default(), DateTime::from_timestamp(5, 0).unwrap());
        let user = UserId::try_from(1).unwrap();
        revocations.add([revocation(2, 10), revocation(1, 10)], now);
        assert!(revocations.have_ended(user, 0) && revocations.have_ended(user, 1));
        assert!(!revocations.have_ended(user, 2));
        assert!(!revocations.have_ended(UserId::try_from(2).unwrap(), 0));
    }

    #[test]
    fn what_no_longer_matters_is_forgotten() {
        let revocations = Revocations::default();
        revocations.add([revocation(1, 10)], DateTime::from_timestamp(10, 0).unwrap());
        assert!(revocations.0.known.read().unwrap().is_empty());
    }
}
