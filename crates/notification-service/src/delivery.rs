//! Delivery: every pending notification is mailed once, or has failed with a reason.
//!
//! Whoever mails a notification holds a lease on its row, so that the worker, its second instance and `POST …/send` do
//! not mail it side by side. A crash between the mail server's answer and the commit mails it again, under the same
//! Message-ID.

use std::time::Duration;

use common::{NotificationId, lease::Holder, time, worker::Step};
use futures::future::join_all;
use sqlx::MySqlPool;

use crate::{
    clients::UserClient,
    config::MailConfig,
    mailer::{Letter, Mailer, SendError},
    store::notifications::{self as store, Notification, Status},
};

/// How often the worker looks for pending notifications when it found none.
pub const DELIVERY_PAUSE: Duration = Duration::from_millis(250);
/// Mails under way at once.
const MAX_MAILS: u32 = 16;
/// The longest pause between two attempts, in seconds.
const MAX_RETRY_SECONDS: u32 = 24 * 60 * 60;
/// How long a request to send waits for somebody who is mailing the same notification.
const CLAIM_WAIT: Duration = Duration::from_secs(10);
/// How often it looks meanwhile.
const CLAIM_PAUSE: Duration = Duration::from_millis(100);

/// What came of an attempt to mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// The mail server has it.
    Sent,
    /// Another attempt may help.
    Later(String),
    /// None will.
    Failed(String),
}

/// What came of a request to mail a notification now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SentNow {
    /// It was mailed, now or before.
    Sent,
    /// It cannot be mailed at the moment; the worker goes on with it.
    Later(String),
    /// It cannot be mailed at all.
    Failed(String),
    /// Its status is none from which it may be mailed.
    WrongStatus(Status),
    /// There is no such notification.
    NotFound,
}

/// Mails notifications. Cheap to clone.
#[derive(Clone)]
pub struct Delivery {
    pool: MySqlPool,
    users: UserClient,
    mailer: Mailer,
    holder: Holder,
    max_attempts: u32,
    retry_seconds: u32,
}

impl Delivery {
    /// Delivery of the notifications in `pool`.
    pub fn new(pool: MySqlPool, users: UserClient, mailer: Mailer, config: &MailConfig) -> Self {
        Self {
            pool,
            users,
            mailer,
            holder: Holder::new(),
            max_attempts: config.max_attempts,
            retry_seconds: config.retry_seconds,
        }
    }

    /// Mails a few of those that are due.
    pub async fn run_once(&self) -> anyhow::Result<Step> {
        let mut conn = self.pool.acquire().await?;
        let claimed = store::claim_due(&mut conn, &self.holder, MAX_MAILS).await?;
        drop(conn); // no connection is kept during a call
        let found = if claimed.is_empty() { Step::Idle } else { Step::Worked };
        let deliveries = claimed.into_iter().map(|notification| self.deliver_in_turn(notification));
        for delivered in join_all(deliveries).await {
            delivered?;
        }
        Ok(found)
    }

    async fn deliver_in_turn(&self, notification: Notification) -> sqlx::Result<()> {
        let attempt = self.attempt(&notification).await;
        let mut conn = self.pool.acquire().await?;
        let (id, now) = (notification.id, time::now());
        match attempt {
            Attempt::Sent => store::sent(&mut conn, id, &self.holder, now).await,
            Attempt::Later(reason) if notification.attempts < self.max_attempts => {
                tracing::warn!(notification = %id, reason, attempt = notification.attempts, "not mailed yet");
                let growth = 4_u32.saturating_pow(notification.attempts.saturating_sub(1));
                let delay = self.retry_seconds.saturating_mul(growth).min(MAX_RETRY_SECONDS);
                store::try_later(&mut conn, id, &self.holder, delay).await
            }
            Attempt::Later(reason) | Attempt::Failed(reason) => {
                tracing::error!(notification = %id, reason, "not mailed");
                store::failed(&mut conn, id, &self.holder, &reason, now).await
            }
        }
    }

    /// Mails notification `id` now if its status is one of `from`; one that is sent already is not mailed again
    /// unless `from` says so.
    pub async fn send_now(&self, id: NotificationId, from: &[Status]) -> sqlx::Result<SentNow> {
        // A holder of its own: two requests for one notification exclude each other too.
        let holder = Holder::new();
        let deadline = tokio::time::Instant::now() + CLAIM_WAIT;
        let notification = loop {
            let mut conn = self.pool.acquire().await?;
            let Some(notification) = store::find(&mut conn, id).await? else { return Ok(SentNow::NotFound) };
            if !from.contains(&notification.status) {
                return Ok(SentNow::WrongStatus(notification.status));
            }
            if store::claim(&mut conn, id, notification.status, &holder).await? {
                break notification;
            }
            if tokio::time::Instant::now() > deadline {
                return Ok(SentNow::Later("it is being mailed at the moment".into()));
            }
            drop(conn);
            tokio::time::sleep(CLAIM_PAUSE).await;
        };
        let attempt = self.attempt(&notification).await;
        let mut conn = self.pool.acquire().await?;
        Ok(match attempt {
            Attempt::Sent => {
                store::sent(&mut conn, id, &holder, time::now()).await?;
                SentNow::Sent
            }
            Attempt::Later(reason) => {
                store::try_later(&mut conn, id, &holder, self.retry_seconds).await?;
                SentNow::Later(reason)
            }
            Attempt::Failed(reason) => {
                store::failed(&mut conn, id, &holder, &reason, time::now()).await?;
                SentNow::Failed(reason)
            }
        })
    }

    async fn attempt(&self, notification: &Notification) -> Attempt {
        let recipient = match self.users.recipient(notification.user_id).await {
            Ok(Some(recipient)) => recipient,
            Ok(None) => return Attempt::Failed("there is no such user".into()),
            Err(error) => return Attempt::Later(error.to_string()),
        };
        let letter = Letter {
            notification: notification.id,
            created_at: notification.created_at,
            name: recipient.full_name,
            address: recipient.email,
            message: notification.message.clone(),
        };
        match self.mailer.send(&letter).await {
            Ok(()) => Attempt::Sent,
            Err(SendError::Temporary(reason)) => Attempt::Later(reason),
            Err(SendError::Permanent(reason)) => Attempt::Failed(reason),
        }
    }
}
