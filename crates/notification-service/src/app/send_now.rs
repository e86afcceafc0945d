//! Requests to mail a notification now.

use std::time::Duration;

use common::origin::Origin;
use fault::point;
use money::{NotificationId, UserId};
use mysql::DbError;
use sqlx::MySqlConnection;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument;

use super::delivery::{Claim, Delivery, send};
use crate::{
    mailer::{Fault, SendError},
    store::{
        claims, meters,
        notifications::{self as store, Notification, Status},
    },
};

/// How long a request to send waits for somebody who is mailing the same notification; other services wait 10 seconds
/// for the answer.
const CLAIM_WAIT: Duration = Duration::from_secs(8);
/// How often it looks meanwhile.
const CLAIM_PAUSE: Duration = Duration::from_millis(100);

/// How much longer than until the mail server has the mail it waits for its answer.
const ANSWER_GRACE: Duration = Duration::from_secs(1);

/// What came of a request to mail a notification now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SentNow {
    /// It was mailed, now or before.
    Sent,
    /// It cannot be mailed at the moment; the worker goes on with it.
    Later(String),
    /// It cannot be mailed at all.
    Failed(String),
    /// The user who asks has caused too many mails of late, and may ask again after a while.
    TooMany(Duration),
    /// Its status is none from which it may be mailed.
    WrongStatus(Status),
    /// There is no such notification.
    NotFound,
}

impl Delivery {
    /// Mails notification `id` now if its status is one of `from`; one that is sent already is not mailed again
    /// unless `from` says so. If a user asks, the mail counts as caused by it.
    pub async fn send_now(
        &self,
        id: NotificationId,
        from: &[Status],
        user: Option<UserId>,
    ) -> Result<SentNow, DbError> {
        let deadline = Instant::now() + CLAIM_WAIT;
        let (claim, notification) = loop {
            let mut conn = self.pool.acquire().await?;
            let Some(found) = store::find(&mut conn, id).await? else { return Ok(SentNow::NotFound) };
            if !from.contains(&found.status) {
                return Ok(SentNow::WrongStatus(found.status));
            }
            drop(conn);
            let claim = Claim::on(vec![id]);
            // what is sent and not marked yet may have lost its claim
            let claimed =
                if self.under_way.is_open(id) { Ok(None) } else { self.claim(id, &claim, found.status, user).await? };
            match claimed {
                Err(wait) => return Ok(SentNow::TooMany(wait)),
                Ok(Some(claimed)) => break (claim, claimed),
                Ok(None) => {}
            }
            if Instant::now() > deadline {
                return Ok(SentNow::Later("it is being mailed at the moment".into()));
            }
            sleep(CLAIM_PAUSE).await;
        };
        // what takes long is mailed and written down all the same: only the request no longer waits
        let work = Origin::current().scope(self.clone().send_claimed(claim, notification).in_current_span());
        match timeout(self.mailer.patience() + ANSWER_GRACE, tokio::spawn(work)).await {
            Ok(ended) => ended.unwrap_or_else(|_| Ok(SentNow::Later("mailing it was cut off".into()))),
            Err(_) => Ok(SentNow::Later("the mail server, or the database, has not confirmed it yet".into())),
        }
    }

    /// The notification if it can be claimed as it was found; an error if `user` has to wait so long before it may ask for more.
    async fn claim(
        &self,
        id: NotificationId,
        claim: &Claim,
        status: Status,
        user: Option<UserId>,
    ) -> Result<Result<Option<Notification>, Duration>, DbError> {
        mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.pool, point!("claim")).await?;
            let is_ours = claims::claim(tx.conn().await?, id, status, &claim.holder).await?;
            if is_ours && let Some(wait) = self.too_many(tx.conn().await?, user).await? {
                return Ok(Err(wait));
            }
            // read under the claim: its words may have changed since
            let claimed = if is_ours { store::find(tx.conn().await?, id).await? } else { None };
            tx.commit().await?;
            Ok(Ok(claimed))
        })
        .await
    }

    /// Mails what is claimed, and writes down what came of it.
    async fn send_claimed(self, claim: Claim, notification: Notification) -> Result<SentNow, DbError> {
        let id = notification.id;
        // even if the claim runs out before its outcome is written down, this instance does not mail it again
        let _open = self.under_way.open(vec![id]);
        let mailing = Box::pin(self.mail_one(&notification));
        let Err(SendError { fault, reason }) = self.renewing(&claim, mailing).await else {
            self.mark_sent(&[id], &claim).await;
            return Ok(SentNow::Sent);
        };
        // the worker counts its own attempts, and starts again with one that had been given up
        let attempts = if notification.status == Status::Failed { 0 } else { notification.attempts };
        let delay = Duration::from_secs(self.retry_seconds.into());
        match fault {
            // but what its recipient may have got counts, so that copies of it come to an end
            Fault::Unanswered if attempts + 1 < self.max_attempts => {
                let delay = self.delay_after(attempts + 1);
                self.try_later(&notification, attempts + 1, delay, &reason, &claim).await?;
                Ok(SentNow::Later(reason))
            }
            Fault::NoMailbox | Fault::Refused | Fault::Doubtful | Fault::Unsendable | Fault::Unanswered => {
                self.failed(id, &reason, &claim).await?;
                Ok(SentNow::Failed(reason))
            }
            Fault::Away | Fault::Barred | Fault::Deferred | Fault::Unclear => {
                self.try_later(&notification, attempts, delay, &reason, &claim).await?;
                Ok(SentNow::Later(reason))
            }
        }
    }

    /// How long `user` has to wait before it may have one more mail sent, if it has to. What is refused counts for nothing.
    async fn too_many(&self, conn: &mut MySqlConnection, user: Option<UserId>) -> sqlx::Result<Option<Duration>> {
        let (Some(allowance), Some(user)) = (self.allowance, user) else { return Ok(None) };
        let mut meters = meters::lock(conn, &[user].into()).await?;
        let wait = allowance.wait(user, &mut meters);
        if wait.is_none() {
            meters::store(conn, &meters, allowance).await?;
        }
        Ok(wait)
    }

    async fn mail_one(&self, notification: &Notification) -> Result<(), SendError> {
        let user = notification.user_id;
        let recipient = if notification.address.is_some() {
            None
        } else {
            let recipients = self.users.recipients([user]).await;
            // this says nothing about the mail server
            let recipients = recipients.map_err(|error| SendError::new(Fault::Deferred, error.to_string()))?;
            recipients.get(&user).cloned()
        };
        let sent = send(self.mailer.clone(), notification.clone(), recipient).await;
        self.server.judge_asked(sent)
    }
}
