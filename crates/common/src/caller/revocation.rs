//! Access tokens that end before their time, because the password was changed or the account was closed.
//!
//! user-service counts a version up for each user and writes it into the token. Every instance of every service keeps, in
//! memory, the versions that were counted up while tokens of an earlier one may still be about, whatever `JWT_EXPIRATION` is
//! or was ([`KEPT_FOR`]); it asks user-service for new ones each second, whose instances read them from the database as often, and
//! at once when they have written one. While user-service cannot be reached, what is known
//! stays in force; a process that has just begun and knows nothing yet believes no access token.

use mysql::row;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use fault::point;
use money::{UserId, time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    account::Account,
    token::{CERTAINLY_LATER, Grant, MAX_TOKEN_SECONDS},
};
use crate::{
    client::ServiceClient,
    worker::{Pace, Rest, Signal, Step, Workers},
};

/// Where user-service tells of them.
pub const REVOCATIONS_PATH: &str = "/internal/revocations";
/// The most that one answer tells; a shorter one is the end for now.
pub const MAX_REVOCATIONS: usize = 1000;
/// How often new ones are asked for.
const PACE: Pace = Pace { idle: Duration::from_secs(1), rest: Rest::Never };
/// How often those that no longer matter are looked for, among all that are known.
const FORGET_EVERY: Duration = Duration::from_mins(1);
/// How far each reading goes back behind the newest that it knows: a revocation shows only when it is committed, which may
/// be later than its time says, but no later than this.
const OVERLAP: TimeDelta = TimeDelta::seconds(60);

/// How long a revocation matters: as long as the oldest token that it ended may be valid, and a day for clocks that differ.
pub const KEPT_FOR: TimeDelta = TimeDelta::seconds(MAX_TOKEN_SECONDS + 24 * 60 * 60);

row! {
    /// The end of a user's tokens of all versions before `version`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct Revocation {
        /// Whose tokens.
        pub user_id: UserId,
        /// The first version that is valid.
        pub version: i32,
        /// When it was counted up, on the database's clock.
        pub revoked_at: DateTime<Utc>,
        /// [`KEPT_FOR`] later, for instances of the version before, which believe it; those of this one count themselves.
        pub matters_until: DateTime<Utc>,
    }
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
    /// From then on.
    complete: AtomicBool,
}

/// There are some that this process has written.
static WRITTEN: Signal = Signal::new();

/// Has this process read its own revocation at once, once that is committed.
pub fn is_written() {
    WRITTEN.give();
}

impl Revocations {
    /// True if the token has ended: by what was read of its `account`, or by a revocation since then. A revocation that is
    /// older than the account's reading counts for tokens that are older still; what was given later may be of lower
    /// versions, because a backup was restored.
    pub fn have_ended(&self, grant: &Grant, account: Option<&Account>) -> bool {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        let counts = |Revocation { revoked_at, .. }: &&Revocation| {
            grant.issued_at <= *revoked_at
                || account.is_none_or(|account| account.read_at < *revoked_at + CERTAINLY_LATER)
        };
        let revoked = known.get(&grant.user).filter(counts).map_or(0, |revocation| revocation.version);
        let read = account.map_or(0, |account| account.version);
        grant.version < revoked.max(read)
    }

    /// True if the token has ended without a doubt: a revocation is known that came after it was given. Costs no look at the account.
    pub fn have_surely_ended(&self, grant: &Grant) -> bool {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        known
            .get(&grant.user)
            .is_some_and(|revocation| grant.issued_at <= revocation.revoked_at && grant.version < revocation.version)
    }

    /// True while nobody can say which tokens have ended: the process has just begun, and has not read it yet.
    pub fn are_awaited(&self) -> bool {
        self.0.awaited.load(Ordering::Relaxed)
    }

    /// Takes in what was read.
    pub fn add(&self, read: impl IntoIterator<Item = Revocation>) {
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        for revocation in read {
            let stands = known.entry(revocation.user_id).or_insert(revocation);
            // a lower version that is later comes from a backup that was restored
            if stands.version < revocation.version || stands.revoked_at < revocation.revoked_at {
                *stands = revocation;
            }
        }
    }

    /// The first [`MAX_REVOCATIONS`] from `position` on, in order; `None` while this process has not read all of them yet.
    pub fn from(&self, position: Position) -> Option<Vec<Revocation>> {
        if !self.0.complete.load(Ordering::Relaxed) {
            return None;
        }
        let Position { since, after_id } = position;
        let is_later = |Revocation { revoked_at, user_id, .. }: &&Revocation| {
            since.is_none_or(|since| (*revoked_at, user_id.get()) > (since, after_id))
        };
        let mut later: Vec<Revocation> = {
            let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
            known.values().filter(is_later).copied().collect()
        };
        later.sort_unstable_by_key(|revocation| (revocation.revoked_at, revocation.user_id));
        later.truncate(MAX_REVOCATIONS);
        Some(later)
    }

    /// Forgets what no longer matters.
    pub fn forget(&self, now: DateTime<Utc>) {
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, revocation| revocation.revoked_at + KEPT_FOR > now);
    }
}

/// Keeps `revocations` up to date with what `read` finds from a position on.
pub fn watch<F, Fut>(workers: &Workers, revocations: Revocations, read: F)
where
    F: Fn(Position) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = anyhow::Result<Vec<Revocation>>> + Send,
{
    let newest = Arc::new(Mutex::new(None));
    let forgotten = Arc::new(Mutex::new(Instant::now()));
    revocations.0.awaited.store(true, Ordering::Relaxed);
    workers.spawn_for(&WRITTEN, "revocations", PACE, move || {
        let (revocations, read, newest) = (revocations.clone(), read.clone(), newest.clone());
        let forgotten = forgotten.clone();
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
                revocations.add(page);
                if is_last {
                    let mut forgotten = forgotten.lock().unwrap_or_else(PoisonError::into_inner);
                    if forgotten.elapsed() >= FORGET_EVERY {
                        revocations.forget(time::now());
                        *forgotten = Instant::now();
                    }
                    revocations.0.complete.store(true, Ordering::Relaxed);
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
    use crate::caller::AccountState;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn user(id: i64) -> UserId {
        UserId::try_from(id).unwrap()
    }

    fn revocation(version: i32, revoked_at: i64) -> Revocation {
        let revoked_at = at(revoked_at);
        Revocation { user_id: user(1), version, revoked_at, matters_until: revoked_at + TimeDelta::seconds(1) }
    }

    fn grant(user: UserId, version: i32) -> Grant {
        Grant::of(user, 0, version, at(0), 60)
    }

    #[test]
    fn tokens_of_earlier_versions_have_ended_whatever_the_order_of_reading() {
        let revocations = Revocations::default();
        revocations.add([revocation(2, 10), revocation(1, 10)]);
        let has_ended = |id, version| revocations.have_ended(&grant(user(id), version), None);
        assert!(has_ended(1, 0) && has_ended(1, 1));
        assert!(!has_ended(1, 2) && !has_ended(2, 0));
    }

    #[test]
    fn what_is_known_is_told_in_order_from_a_position_on() {
        let revocations = Revocations::default();
        let of = |id: i64, revoked_at: i64| Revocation { user_id: user(id), ..revocation(1, revoked_at) };
        let told = |since: Option<i64>, after_id| {
            let told = revocations.from(Position { since: since.map(at), after_id });
            told.map(|told| told.into_iter().map(|revocation| revocation.user_id.get()).collect::<Vec<_>>())
        };
        revocations.add([of(3, 20), of(1, 20), of(2, 10), of(4, 30)]);
        assert_eq!(told(None, 0), None, "there may be more of them");
        revocations.0.complete.store(true, Ordering::Relaxed);
        assert_eq!(told(None, 0), Some(vec![2, 1, 3, 4]));
        assert_eq!(told(Some(20), 0), Some(vec![1, 3, 4]));
        assert_eq!(told(Some(20), 1), Some(vec![3, 4]));
        let many = i64::try_from(MAX_REVOCATIONS).unwrap() + 10;
        revocations.add((1..=many).map(|id| of(id, 40)));
        assert_eq!(told(None, 0).map(|told| told.len()), Some(MAX_REVOCATIONS));
    }

    #[test]
    fn a_revocation_is_kept_as_long_as_any_token_may_be_valid() {
        let revocations = Revocations::default();
        let has_ended = || revocations.have_ended(&grant(user(1), 0), None);
        revocations.add([revocation(1, 10)]);
        revocations.forget(at(10 + MAX_TOKEN_SECONDS + 60 * 60));
        assert!(has_ended());
        revocations.forget(at(10) + KEPT_FOR);
        assert!(!has_ended() && revocations.0.known.read().unwrap().is_empty());
    }

    #[test]
    fn what_was_read_of_the_account_later_counts_more_than_a_revocation() {
        let revocations = Revocations::default();
        revocations.add([revocation(3, 100)]);
        let account = |version, read_at| Account {
            id: user(1),
            key: 0,
            version,
            created_at: at(0),
            read_at: at(read_at),
            state: AccountState::Active,
        };
        let has_ended = |version, account: Account| {
            let late = Grant { issued_at: at(150), ..grant(user(1), version) };
            revocations.have_ended(&late, Some(&account))
        };
        assert!(has_ended(2, account(2, 99)), "the account was read before");
        assert!(has_ended(2, account(2, 101)), "it may have been");
        assert!(!has_ended(0, account(0, 200)), "a backup was restored");
        assert!(revocations.have_ended(&grant(user(1), 0), Some(&account(0, 200))), "but the token is older");
        assert!(has_ended(3, account(4, 99)), "the revocation of version 4 has not been read yet");
        revocations.add([revocation(1, 300)]);
        assert!(has_ended(0, account(0, 200)), "revoked after the backup was restored");
    }
}
