//! Delivery: every pending notification is mailed once, or has failed with a reason.
//!
//! Whoever mails a notification has a claim on its row, so that the worker, its second instance and `POST …/send` do
//! not mail it side by side. The claim is renewed while the mail is under way, and runs out soon after a crash. A crash
//! between the mail server's answer and the commit mails it again, under the same Message-ID.

use std::time::Duration;

use common::monitoring::{number, seconds, show};
use fault::point;
use metrics::counter;
use money::{NotificationId, time};
use mysql::{DbError, lease::Holder};
use sqlx::MySqlPool;
use tokio::time::{Instant, sleep};

use super::{due::Looks, server::Server, under_way::UnderWay};
use crate::{
    clients::{Recipient, UserClient},
    config::MailConfig,
    domain::fairness::Allowance,
    mailer::{Fault, Letter, Mailer, SendError},
    store::{
        claims::{self, LEASE_SECONDS},
        notifications::{self as store, Notification},
    },
};

/// How long after its claim a mail may be begun: it says what the notification said then.
pub(super) const START_LIMIT: Duration = Duration::from_secs(1);
/// How often a claim is renewed.
const RENEWAL: Duration = Duration::from_secs(1);
/// The pause after a failed mark or look-up.
pub(super) const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two attempts to mail, in seconds.
const MAX_RETRY_SECONDS: u32 = 24 * 60 * 60;
/// How many times longer each pause is than the one before: the four after the first five attempts outlast those mail servers
/// that put strangers off for hours (greylisting).
const RETRY_GROWTH: u32 = 12;
/// Metric: mails by result: `sent`, `deferred` until the next attempt, or `failed` for good.
const MAILS: &str = "mails_total";
// a mail is begun, and its claim renewed, long before the claim runs out
const _: () = assert!(START_LIMIT.as_secs() + RENEWAL.as_secs() < LEASE_SECONDS as u64);

/// Shows how many notifications wait to be mailed, and for how long.
pub async fn measure(pool: MySqlPool) -> sqlx::Result<()> {
    let (pending, oldest) = store::pending(&mut *pool.acquire().await?).await?;
    show("notifications_pending", "Notifications that are to be mailed; 100,000 are counted at most", number(pending));
    show("notifications_oldest_pending_seconds", "How long the oldest of them has waited", seconds(oldest));
    Ok(())
}

/// Counts mails by what came of them.
pub(super) fn tally(result: &'static str, mails: usize) {
    counter!(MAILS, "result" => result).increment(mails as u64);
}

/// Mails notifications. Cheap to clone.
#[derive(Clone)]
pub struct Delivery {
    pub(super) pool: MySqlPool,
    pub(super) users: UserClient,
    pub(super) mailer: Mailer,
    pub(super) max_attempts: u32,
    pub(super) retry_seconds: u32,
    pub(super) rate: u32,
    pub(super) allowance: Option<Allowance>,
    pub(super) under_way: UnderWay,
    pub(super) looks: Looks,
    pub(super) server: Server,
}

/// A claim on notifications, under a name of its own: what is done late under one cannot be taken for the work of the
/// next, and two requests for one notification exclude each other too.
pub(super) struct Claim {
    pub(super) ids: Vec<NotificationId>,
    pub(super) holder: Holder,
    pub(super) since: Instant,
}

impl Claim {
    pub(super) fn on(ids: Vec<NotificationId>) -> Self {
        Self { ids, holder: Holder::new(), since: Instant::now() }
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.since.elapsed() < START_LIMIT
    }
}

impl Delivery {
    /// Delivery of the notifications in `pool`.
    pub fn new(pool: MySqlPool, users: UserClient, mailer: Mailer, config: &MailConfig) -> Self {
        let MailConfig { max_attempts, retry_seconds, rate, user_rate, .. } = *config;
        let (allowance, under_way) = (user_rate.map(Allowance), UnderWay::new(mailer.at_once()));
        let (looks, server) = (Looks::default(), Server::new());
        Self { pool, users, mailer, max_attempts, retry_seconds, rate, allowance, under_way, looks, server }
    }

    /// Writes down that a mail was not sent. If that fails, the claim runs out and the mail is tried again, but for one that its
    /// recipient may have got: then it is written until it succeeds.
    pub(super) async fn not_sent(&self, notification: &Notification, error: SendError, claim: &Claim) {
        while let Err(failure) = self.write_not_sent(notification, &error, claim).await {
            let id = notification.id;
            tracing::warn!(notification = %id, error = %failure, "what came of a mail could not be written down");
            if error.fault != Fault::Unanswered {
                break;
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    async fn write_not_sent(
        &self,
        notification: &Notification,
        SendError { fault, reason }: &SendError,
        claim: &Claim,
    ) -> Result<(), DbError> {
        let (id, attempts, trace_id) = (notification.id, notification.attempts + 1, notification.trace().id());
        match fault {
            // it is not about this mail: that was no attempt
            Fault::Away | Fault::Barred => {
                tracing::debug!(notification = %id, trace_id, reason, "not mailed yet");
                self.try_later(notification, notification.attempts, self.server.pause(), reason, claim).await
            }
            Fault::Deferred | Fault::Unclear | Fault::Unanswered if attempts < self.max_attempts => {
                tracing::warn!(notification = %id, trace_id, reason, attempt = attempts, "not mailed yet");
                self.try_later(notification, attempts, self.delay_after(attempts), reason, claim).await
            }
            _ => {
                tracing::error!(notification = %id, trace_id, reason, "not mailed");
                self.failed(id, reason, claim).await
            }
        }
    }

    /// The pause after so many attempts.
    pub(super) fn delay_after(&self, attempts: u32) -> Duration {
        let growth = RETRY_GROWTH.saturating_pow(attempts.saturating_sub(1));
        let seconds = self.retry_seconds.saturating_mul(growth).min(MAX_RETRY_SECONDS);
        Duration::from_secs(seconds.into())
    }

    /// Does `work` while the claim is renewed.
    pub(super) async fn renewing<T>(&self, claim: &Claim, work: impl Future<Output = T>) -> T {
        let renewal = async {
            loop {
                sleep(RENEWAL).await;
                let renewed = mysql::retry(|_| async {
                    let mut tx = mysql::begin(&self.pool, point!("renew")).await?;
                    claims::renew(tx.conn().await?, &claim.ids, &claim.holder).await?;
                    tx.commit().await
                });
                if let Err(error) = renewed.await {
                    tracing::warn!(%error, "a claim could not be renewed");
                }
            }
        };
        tokio::select! {
            done = work => done,
            never = renewal => never,
        }
    }

    /// Marks mails as sent, however long that takes: one without its mark is mailed again once its claim has run out.
    pub(super) async fn mark_sent(&self, ids: &[NotificationId], claim: &Claim) {
        while let Err(error) = self.try_mark_sent(ids, claim).await {
            tracing::warn!(mails = ids.len(), %error, "sent mails could not be marked yet");
            sleep(RETRY_PAUSE).await;
        }
    }

    pub(super) async fn try_mark_sent(&self, ids: &[NotificationId], claim: &Claim) -> Result<(), DbError> {
        if ids.is_empty() {
            return Ok(());
        }
        let now = time::now();
        mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.pool, point!("sent")).await?;
            claims::sent(tx.conn().await?, ids, &claim.holder, now).await?;
            tx.commit().await
        })
        .await?;
        tally("sent", ids.len());
        Ok(())
    }

    pub(super) async fn try_later(
        &self,
        notification: &Notification,
        attempts: u32,
        delay: Duration,
        reason: &str,
        claim: &Claim,
    ) -> Result<(), DbError> {
        mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.pool, point!("try_later")).await?;
            claims::try_later(tx.conn().await?, notification.id, &claim.holder, attempts, delay, reason).await?;
            tx.commit().await
        })
        .await?;
        tally("deferred", 1);
        Ok(())
    }

    pub(super) async fn failed(&self, id: NotificationId, reason: &str, claim: &Claim) -> Result<(), DbError> {
        let now = time::now();
        mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.pool, point!("failed")).await?;
            claims::failed(tx.conn().await?, id, &claim.holder, reason, now).await?;
            tx.commit().await
        })
        .await?;
        tally("failed", 1);
        Ok(())
    }
}

pub(super) async fn send(
    mailer: Mailer,
    notification: Notification,
    recipient: Option<Recipient>,
) -> Result<(), SendError> {
    let span = notification.trace().work("mail");
    let sent = async { mailer.send(&letter(&notification, recipient.as_ref())?).await }.await;
    match &sent {
        Ok(()) => {
            tracing::info!(notification = %notification.id, trace_id = span.id(), "mailed");
            span.end(None);
        }
        // why, the log says: a mail server's words may have the address in them
        Err(_) => span.end(Some("not mailed".to_owned())),
    }
    sent
}

/// The mail of a notification: to its own address if it has one, else to that of its user's account.
fn letter(notification: &Notification, recipient: Option<&Recipient>) -> Result<Letter, SendError> {
    let never = |reason: &str| Err(SendError::new(Fault::Unsendable, reason));
    let address = match (&notification.address, recipient) {
        (Some(address), _) if address.is_empty() => return never("the address that it was for is not kept"),
        (Some(address), _) => address.clone(),
        (None, Some(recipient)) => recipient.email.clone(),
        (None, None) => return never("there is no such user"),
    };
    Ok(Letter {
        notification: notification.id,
        created_at: notification.created_at,
        address,
        message: notification.message.clone(),
    })
}
