//! What the worker has in hand.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard},
};

use money::{NotificationId, UserId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    domain::fairness::{LANES, choose, within},
    store::claims::Due,
};

/// What can begin, of each lane.
pub(super) type Found = [Vec<(NotificationId, UserId)>; LANES];

/// Mails that are claimed for each one that can be begun at once: most are quick.
const CLAIMS_FOR_A_SLOT: usize = 4;

/// Conversations in which the mail server has long had the mail, for each one that can be begun at once.
const UNANSWERED_FOR_A_SLOT: usize = 3;

/// What the worker has in hand, also of earlier batches.
#[derive(Clone)]
pub struct UnderWay {
    slots: Arc<Semaphore>,
    unanswered: Arc<Semaphore>,
    most: usize,
    mails: Arc<Mutex<Mails>>,
}

#[derive(Default)]
struct Mails {
    /// Those whose outcome is not written down yet: even if the claim ran out, this instance mails none of them again.
    open: HashSet<NotificationId>,
    /// How many conversations there are about mails to each recipient.
    begun: HashMap<UserId, usize>,
}

/// A conversation about a mail, until this is dropped.
pub(super) struct Begun {
    recipient: UserId,
    mails: Arc<Mutex<Mails>>,
    slot: OwnedSemaphorePermit,
    unanswered: Arc<Semaphore>,
}

/// Notifications of a batch whose outcome is open, until this is dropped.
pub(super) struct Open {
    ids: Vec<NotificationId>,
    mails: Arc<Mutex<Mails>>,
}

impl UnderWay {
    /// Nothing yet, and at most `most` conversations.
    pub fn new(most: usize) -> Self {
        let unanswered = Arc::new(Semaphore::new(UNANSWERED_FOR_A_SLOT * most));
        Self { slots: Arc::new(Semaphore::new(most)), unanswered, most, mails: Arc::default() }
    }

    /// Waits for a free conversation.
    pub(super) async fn slot(&self) -> OwnedSemaphorePermit {
        self.slots.clone().acquire_owned().await.expect("it is never closed")
    }

    /// The most that may be claimed: where most slots are taken, what is claimed would wait.
    pub(super) fn room(&self) -> usize {
        match self.slots.available_permits() {
            free if free == self.most => usize::MAX,
            free => CLAIMS_FOR_A_SLOT * free.max(1),
        }
    }

    /// Those of a lane that can begin, `each` for one recipient.
    pub(super) fn can_begin(&self, due: &[Due], each: usize) -> Vec<(NotificationId, UserId)> {
        let mails = lock(&self.mails);
        let is_open = |due: &&Due| mails.open.contains(&due.id);
        let closed = due.iter().filter(|due| !is_open(due)).map(|due| (due.id, due.user_id));
        within(closed, each, &mut mails.begun.clone())
    }

    /// Of what is `due` in each lane, what to mail next: `most` of them, and `each` of one recipient.
    pub(super) fn choose(&self, due: Found, most: usize, each: usize) -> Vec<(NotificationId, UserId)> {
        choose(due, most, each, &lock(&self.mails).begun)
    }

    /// True while the outcome of this one is open.
    pub(super) fn is_open(&self, id: NotificationId) -> bool {
        lock(&self.mails).open.contains(&id)
    }

    /// Notes that the outcome of these is open.
    pub(super) fn open(&self, ids: Vec<NotificationId>) -> Open {
        lock(&self.mails).open.extend(&ids);
        Open { ids, mails: self.mails.clone() }
    }

    /// Notes that a mail to `recipient` is being handed over.
    pub(super) fn begin(&self, recipient: UserId, slot: OwnedSemaphorePermit) -> Begun {
        *lock(&self.mails).begun.entry(recipient).or_default() += 1;
        Begun { recipient, mails: self.mails.clone(), slot, unanswered: self.unanswered.clone() }
    }
}

impl Begun {
    /// Makes room for another mail, as far as there may be more that only wait for the server's answer.
    pub(super) fn make_room(&mut self) {
        if let Ok(permit) = self.unanswered.clone().try_acquire_owned() {
            self.slot = permit;
        }
    }
}

impl Open {
    /// These are no longer this batch's.
    pub(super) fn leave(&self, ids: &[NotificationId]) {
        let mut mails = lock(&self.mails);
        for id in ids {
            mails.open.remove(id);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.leave(&self.ids);
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let mut mails = lock(&self.mails);
        if let Entry::Occupied(mut mails) = mails.begun.entry(self.recipient) {
            *mails.get_mut() -= 1;
            if *mails.get() == 0 {
                mails.remove();
            }
        }
    }
}

fn lock(mails: &Mutex<Mails>) -> MutexGuard<'_, Mails> {
    mails.lock().expect("the lock is never poisoned")
}
