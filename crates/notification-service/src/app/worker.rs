//! The worker: mails what is due, lane by lane, and does not wait for a mail that takes long.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use common::worker::{Pace, Rest, Signal, Step, Workers};
use fault::point;
use money::{NotificationId, UserId};
use mysql::Unit;
use tokio::{
    task::JoinSet,
    time::{Instant, interval, sleep, sleep_until, timeout},
};
use tokio_util::task::TaskTracker;

use super::{
    delivery::{Claim, Delivery, RETRY_PAUSE, START_LIMIT, send},
    due::Look,
    under_way::{Begun, Open},
};
use crate::{
    clients::Recipient,
    mailer::{Fault, SendError},
    store::{claims, notifications::Notification},
};

/// The worker looks for pending notifications when this process has written some, and every second for those that are due now.
/// `MAIL_RATE` bounds what it does, so it need not rest.
const PACE: Pace = Pace { idle: Duration::from_secs(1), rest: Rest::Never };
/// The pause while nothing can be mailed of what is due.
const CANNOT_PAUSE: Duration = Duration::from_millis(250);
/// The most that are claimed at a time.
const MAX_BATCH: u32 = 128;
/// Batches in a second, if there is enough to mail: whoever is next waits for one of them.
const BATCHES_A_SECOND: u32 = 4;
/// How long the next batch waits for one that takes long.
const BATCH_PATIENCE: Duration = Duration::from_millis(250);
/// How long a mail that was sent waits for others before they are marked together.
const MARK_PAUSE: Duration = Duration::from_millis(100);

/// There are notifications to mail.
static WRITTEN: Signal = Signal::new();

/// Has the worker of this process look for notifications that `unit` makes pending, once they are committed.
pub(super) fn announce(unit: &mut Unit) {
    unit.on_commit(|| WRITTEN.give());
}

impl Delivery {
    /// Starts the worker.
    pub fn start(&self, workers: &Workers) {
        let (delivery, beside) = (self.clone(), workers.beside());
        workers.spawn_for(&WRITTEN, "delivery", PACE, move || {
            let (delivery, beside) = (delivery.clone(), beside.clone());
            async move { delivery.run_once(&beside).await }
        });
    }

    /// Mails a batch of those that are due. What takes long goes on `beside` the next one.
    pub async fn run_once(&self, beside: &TaskTracker) -> anyhow::Result<Step> {
        let allowance = self.server.allowance();
        if allowance == 0 {
            sleep(CANNOT_PAUSE).await;
            return Ok(Step::Worked);
        }
        drop(self.under_way.slot().await);
        let limit = (self.rate / BATCHES_A_SECOND).clamp(1, MAX_BATCH) as usize;
        let (most, each) = (limit.min(self.under_way.room()).min(allowance), self.mailer.at_once_for_one());
        let due = match self.looks.look(&mut *self.pool.acquire().await?, &self.under_way, most, each).await? {
            Look::Nothing => return Ok(Step::Idle),
            Look::Further => return Ok(Step::Worked),
            Look::All(due) => due,
        };
        let chosen = self.under_way.choose(self.server.choose(due), most, each);
        if chosen.is_empty() {
            sleep(CANNOT_PAUSE).await;
            return Ok(Step::Worked);
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
        let claimed = mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.pool, point!("claim_due")).await?;
            let claimed = claims::claim_due(tx.conn().await?, &claim.ids, &claim.holder).await?;
            tx.commit().await?;
            Ok(claimed)
        })
        .await?;
        if claimed.is_empty() {
            sleep(CANNOT_PAUSE).await;
            return Ok(Step::Worked); // another instance was faster
        }
        self.server.begin();
        // mail can wait, money cannot; and mail servers refuse those who are too fast
        let turn = Duration::from_secs(1) * u32::try_from(claimed.len())? / self.rate;
        let turn_over = Instant::now() + turn;
        let delivery = self.clone();
        let open = self.under_way.open(claimed.iter().map(|notification| notification.id).collect());
        let batch = beside.spawn(async move {
            let mailing = delivery.mail_all(claimed.into(), &recipients, &claim, &open);
            delivery.renewing(&claim, Box::pin(mailing)).await;
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
    ) {
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
                _ = pause.tick() => match self.try_mark_sent(&sent, claim).await {
                    Ok(()) => sent.clear(),
                    Err(error) => tracing::warn!(mails = sent.len(), %error, "sent mails could not be marked yet"),
                },
            }
        }
        // they stay open meanwhile
        self.mark_sent(&sent, claim).await;
    }

    /// Lets others mail what has not been begun. If that fails, the claim runs out.
    async fn give_back(&self, left: &[NotificationId], claim: &Claim, open: &Open) {
        if left.is_empty() {
            return;
        }
        let given_back = mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.pool, point!("give_back")).await?;
            claims::give_back(tx.conn().await?, left, &claim.holder).await?;
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
        mut begun: Begun,
    ) -> (Notification, Result<(), SendError>) {
        let patience = self.mailer.patience();
        // in a task of its own: its panic ends no other mail
        let mut mailing = tokio::spawn(send(self.mailer, notification.clone(), recipient));
        let panicked = |_| Err(SendError::new(Fault::Unanswered, "writing the mail panicked"));
        let ended = match timeout(patience, &mut mailing).await {
            Ok(ended) => ended,
            Err(_) => {
                begun.make_room();
                mailing.await
            }
        };
        let sent = ended.unwrap_or_else(panicked);
        let sent = self.server.judge(notification.user_id, sent);
        (notification, sent)
    }
}

fn take_ids(waiting: &mut VecDeque<Notification>) -> Vec<NotificationId> {
    waiting.drain(..).map(|notification| notification.id).collect()
}
