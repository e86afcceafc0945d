//! How many statements are sent at once. Each keeps a page of entries, and what its form needs, for as long as its client takes it: longer
//! than the request counts among those that are served.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use common::{Result, reads::USER_LOCK_TIMEOUT};
use money::UserId;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::codes;

/// Statements that one instance sends at once.
pub const MAX_STATEMENTS: usize = 64;
/// Those of them that are of one user.
pub const MAX_STATEMENTS_OF_ONE: usize = 4;

/// The statements that may be sent. Cheap to clone.
#[derive(Clone)]
pub struct Turns(Arc<Inner>);

struct Inner {
    all: Arc<Semaphore>,
    of_one: usize,
    patience: Duration,
    users: Mutex<HashMap<UserId, Weak<Semaphore>>>,
}

/// One of them, until this is dropped.
#[derive(Debug)]
pub struct Turn {
    _all: OwnedSemaphorePermit,
    _of_one: OwnedSemaphorePermit,
}

impl Default for Turns {
    fn default() -> Self {
        Self::new(MAX_STATEMENTS, MAX_STATEMENTS_OF_ONE, USER_LOCK_TIMEOUT)
    }
}

impl Turns {
    fn new(all: usize, of_one: usize, patience: Duration) -> Self {
        Self(Arc::new(Inner { all: Arc::new(Semaphore::new(all)), of_one, patience, users: Mutex::default() }))
    }

    /// Waits for a turn of `user`, but not for long: 503 `overloaded` then.
    pub async fn take(&self, user: UserId) -> Result<Turn> {
        let of_one = self.of(user);
        let both = async { Some(Turn { _of_one: of_one.acquire_owned().await.ok()?, _all: self.all().await? }) };
        let turn = timeout(self.0.patience, both).await.ok().flatten();
        turn.ok_or_else(|| codes::OVERLOADED.into())
    }

    async fn all(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.all).acquire_owned().await.ok()
    }

    /// The turns of `user`. Those of users who have none, and wait for none, take no memory for long.
    fn of(&self, user: UserId) -> Arc<Semaphore> {
        let mut users = self.0.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = users.get(&user).and_then(Weak::upgrade) {
            return known;
        }
        users.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(self.0.of_one));
        users.insert(user, Arc::downgrade(&turns));
        turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_takes_more_turns_than_there_are_and_one_user_takes_few_of_them() {
        let turns = Turns::new(3, 2, Duration::from_millis(20));
        let user = |id: i64| UserId::try_from(id).unwrap();
        let refused = async |id| turns.take(user(id)).await.is_err_and(|error| error.code() == codes::OVERLOADED);
        let first = turns.take(user(1)).await.unwrap();
        let _second = turns.take(user(1)).await.unwrap();
        assert!(refused(1).await, "a user has two");
        let third = turns.take(user(2)).await.unwrap();
        assert!(refused(3).await, "all have three");
        drop(first);
        let fourth = turns.take(user(3)).await.unwrap();
        assert!(refused(1).await && refused(2).await);
        drop((third, fourth));
        assert!(turns.take(user(1)).await.is_ok());
        drop(turns.take(user(4)).await.unwrap());
        assert_eq!(turns.0.users.lock().unwrap().len(), 2, "of those who have none nothing is kept");
    }
}
