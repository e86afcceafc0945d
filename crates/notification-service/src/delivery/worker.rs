//! The worker: mails what is due, lane by lane, and does not wait for a mail that takes long.

use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use common::{
    NotificationId, UserId,
    db::{self, DbError},
    point,
    worker::{Pace, Rest, Step},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Instant, interval, sleep, sleep_until, timeout},
};
use tokio_util::task::TaskTracker;

use super::{Claim, Delivery, RETRY_PAUSE, START_LIMIT, send};
use crate::{
    clients::Recipient,
    fairness::{LANES, choose},
    mailer::{Fault, SendError},
    store::{claims, notifications::Notification},
};

/// The worker looks for pending notifications four times a second. `MAIL_RATE` bounds what it does, so it need not rest.
pub const DELIVERY_PACE: Pace = Pace { idle: Duration::from_millis(250), rest: Rest::Never };
/// Notifications of each lane that are looked at, and the most that are claimed, at a time.
const MAX_BATCH: u32 = 128;
/// Batches in a second, if there is enough to mail: whoever is next waits for one of them.
const BATCHES_A_SECOND: u32 = 4;
/// How long the next batch waits for one that takes long.
const BATCH_PATIENCE: Duration = Duration::from_millis(250);
/// Mails that are claimed for each one that can be begun at once: most are quick.
const CLAIMS_FOR_A_SLOT: usize = 4;
/// How long a mail that was sent waits for others before they are marked together.
const MARK_PAUSE: Duration = Duration::from_millis(100);

/// What the worker has in hand, also of earlier batches.
#[derive(Clone)]
pub struct UnderWay {
    slots: Arc<Semaphore>,
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
struct Begun {
    recipient: UserId,
    mails: Arc<Mutex<Mails>>,
    _slot: OwnedSemaphorePermit,
}

/// Notifications of a batch whose outcome is open, until this is dropped.
struct Open {
    ids: Vec<NotificationId>,
    mails: Arc<Mutex<Mails>>,
}

impl UnderWay {
    /// Nothing yet, and at most `most` conversations.
    pub fn new(most: usize) -> Self {
        Self { slots: Arc::new(Semaphore::new(most)), most, mails: Arc::default() }
    }

    async fn slot(&self) -> OwnedSemaphorePermit {
        self.slots.clone().acquire_owned().await.expect("it is never closed")
    }

    /// The most that may be claimed: where most slots are taken, what is claimed would wait.
    fn room(&self) -> usize {
        match self.slots.available_permits() {
            free if free == self.most => usize::MAX,
            free => CLAIMS_FOR_A_SLOT * free.max(1),
        }
    }

    fn choose(
        &self,
        due: [Vec<(NotificationId, UserId)>; LANES],
        most: usize,
        each: usize,
    ) -> Vec<(NotificationId, UserId)> {
        let mails = lock(&self.mails);
        let due = due.map(|lane| lane.into_iter().filter(|(id, _)| !mails.open.contains(id)).collect());
        choose(due, most, each, &mails.begun)
    }

    fn open(&self, ids: Vec<NotificationId>) -> Open {
        lock(&self.mails).open.extend(&ids);
        Open { ids, mails: self.mails.clone() }
    }

    fn begin(&self, recipient: UserId, slot: OwnedSemaphorePermit) -> Begun {
        *lock(&self.mails).begun.entry(recipient).or_default() += 1;
        Begun { recipient, mails: self.mails.clone(), _slot: slot }
    }
}

impl Open {
    /// These are no longer this batch's.
    fn leave(&self, ids: &[NotificationId]) {
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

fn take_ids(waiting: &mut VecDeque<Notification>) -> Vec<NotificationId> {
    waiting.drain(..).map(|notification| notification.id).collect()
}

fn lock(mails: &Mutex<Mails>) -> MutexGuard<'_, Mails> {
    mails.lock().expect("the lock is never poisoned")
}

impl Delivery {
    /// Mails a batch of those that are due. What takes long goes on `beside` the next one.
    pub async fn run_once(&self, beside: &TaskTracker) -> anyhow::Result<Step> {
        let allowance = self.server.allowance();
        if allowance == 0 {
            return Ok(Step::Idle);
        }
        drop(self.under_way.slot().await);
        let limit = (self.rate / BATCHES_A_SECOND).clamp(1, MAX_BATCH) as usize;
        let due = claims::due(&mut *self.pool.acquire().await?, MAX_BATCH).await?;
        let most = limit.min(self.under_way.room()).min(allowance);
        let chosen = self.under_way.choose(due, most, self.mailer.at_once_for_one());
        if chosen.is_empty() {
            return Ok(Step::Idle);
        }
        let (ids, users): (Vec<_>, Vec<_>) = chosen.into_iter().unzip();
        // before the claim: while user-service is away, no attempt counts and nothing changes
        let recipients = match self.users.recipients(users).await {
            Ok(recipients) => recipients,
            Err(error) => {
                sleep(RETRY_PAUSE).await;
                return Err(error.into());
            }
        };
        let claim = Claim::on(ids);
        let claimed = db::retry(|_| async {
            let mut tx = db::begin(&self.pool, point!("claim_due")).await?;
            let claimed = claims::claim_due(&mut tx, &claim.ids, &claim.holder).await?;
            tx.commit().await?;
            Ok(claimed)
        })
        .await?;
        if claimed.is_empty() {
            return Ok(Step::Idle); // another instance was faster
        }
        self.server.begin();
        // mail can wait, money cannot; and mail servers refuse those who are too fast
        let turn = Duration::from_secs(1) * u32::try_from(claimed.len())? / self.rate;
        let turn_over = Instant::now() + turn;
        let delivery = self.clone();
        let open = self.under_way.open(claimed.iter().map(|notification| notification.id).collect());
        let batch = beside.spawn(async move {
            let mailing = delivery.mail_all(claimed.into(), &recipients, &claim, &open);
            if let Err(error) = delivery.renewing(&claim, Box::pin(mailing)).await {
                tracing::warn!(%error, "what came of a batch of mails could not be written down");
            }
        });
        timeout(BATCH_PATIENCE, batch).await.unwrap_or(Ok(()))?;
        sleep_until(turn_over).await;
        Ok(Step::Worked)
    }

    /// Mails those that can be begun while the claim is fresh, gives the others back, and writes down what came of each.
    async fn mail_all(
        &self,
        mut waiting: VecDeque<Notification>,
        recipients: &HashMap<UserId, Recipient>,
        claim: &Claim,
        open: &Open,
    ) -> Result<(), DbError> {
        let mut mails = JoinSet::new();
        let (mut sent, mut pause) = (Vec::new(), interval(MARK_PAUSE));
        while !waiting.is_empty() || !mails.is_empty() {
            tokio::select! {
                slot = self.under_way.slot(), if !waiting.is_empty() && claim.is_fresh() => {
                    if self.server.is_pausing() {
                        drop(slot);
                        self.give_back(&take_ids(&mut waiting), claim, open).await;
                    } else if let Some(notification) = waiting.pop_front() {
                        let recipient = recipients.get(&notification.user_id).cloned();
                        let begun = self.under_way.begin(notification.user_id, slot);
                        mails.spawn(self.clone().mail(notification, recipient, begun));
                    }
                }
                () = sleep_until(claim.since + START_LIMIT), if !waiting.is_empty() => {
                    self.give_back(&take_ids(&mut waiting), claim, open).await;
                }
                Some(ended) = mails.join_next(), if !mails.is_empty() => match ended {
                    Ok((notification, Ok(()))) => sent.push(notification.id),
                    Ok((notification, Err(error))) => self.not_sent(&notification, error, claim).await,
                    Err(error) => tracing::error!(%error, "a mail was cut off"), // its claim runs out
                },
                _ = pause.tick() => if self.mark_sent(&sent, claim).await.is_ok() {
                    sent.clear();
                },
            }
        }
        self.mark_sent(&sent, claim).await
    }

    /// Lets others mail what has not been begun. If that fails, the claim runs out.
    async fn give_back(&self, left: &[NotificationId], claim: &Claim, open: &Open) {
        if left.is_empty() {
            return;
        }
        let given_back = db::retry(|_| async {
            let mut tx = db::begin(&self.pool, point!("give_back")).await?;
            claims::give_back(&mut tx, left, &claim.holder).await?;
            tx.commit().await
        });
        if let Err(error) = given_back.await {
            tracing::warn!(%error, "mails that were not begun could not be given back");
        }
        open.leave(left);
    }

    async fn mail(
        self,
        notification: Notification,
        recipient: Option<Recipient>,
        _begun: Begun,
    ) -> (Notification, Result<(), SendError>) {
        // in a task of its own: its panic ends no other mail
        let mailing = tokio::spawn(send(self.mailer, notification.clone(), recipient));
        let panicked = |_| Err(SendError::new(Fault::Unclear, "writing the mail panicked"));
        let sent = mailing.await.unwrap_or_else(panicked);
        let sent = self.server.judge(notification.user_id, sent);
        (notification, sent)
    }
}
