//! Making the report of a transaction for one of its parties.

use common::{
    ApiError, Result,
    idempotency::{self, Answer, KeyedRequest, Known},
};
use fault::point;
use money::{TransactionId, UserId, time};

use super::sync::Sync;
use crate::{
    codes,
    domain::change::Change,
    store::{copies, reports as store, reports::Report},
};

impl Sync {
    /// Makes the report of `transaction` for `user`, or finds the one that was made before, and keeps what `answer` says of it
    /// (and whether it is new) under `request`; the first answer if the request is known.
    pub async fn report(
        &self,
        user: UserId,
        transaction: TransactionId,
        request: Option<&KeyedRequest>,
        answer: impl Fn(Report, bool) -> Answer,
    ) -> Result<Known> {
        if let Some(known) = idempotency::look_up(&mut *self.pool.acquire().await?, request).await? {
            return Ok(known);
        }
        let subject = &self.subject(user, transaction).await?;
        let (now, answer) = (time::now(), &answer);
        let known = mysql::retry(|_| async move {
            let mut tx = mysql::begin(&self.pool, point!("report")).await?;
            if let Some(known) = idempotency::look_up(tx.conn().await?, request).await? {
                return Ok(known);
            }
            let answer = match subject {
                Ok(change) => {
                    copies::take_over(&mut tx, std::slice::from_ref(change), None).await?;
                    tx.flush().await?;
                    let (report, is_new) = store::insert(tx.conn().await?, user, transaction, now).await?;
                    answer(report, is_new)
                }
                Err(refusal) => Answer::refusal(refusal),
            };
            idempotency::store(tx.conn().await?, request, &answer).await?;
            tx.commit().await?;
            Ok(Known::Answered(answer))
        })
        .await?;
        Ok(known)
    }

    /// The transaction to report on, or why there is nothing to report. The outer error is a source that is away.
    async fn subject(&self, user: UserId, transaction: TransactionId) -> Result<Result<Change, ApiError>> {
        if !self.users.exists(user).await? {
            return Ok(Err(codes::USER_NOT_FOUND.into()));
        }
        let Some(change) = self.transactions.find(transaction).await? else {
            return Ok(Err(codes::TRANSACTION_NOT_FOUND.into()));
        };
        Ok(match change.view_of(user).filter(|view| view.counts) {
            Some(view) if view.hidden => Err(codes::TRANSACTION_NOT_FOUND.into()),
            Some(_) => Ok(change),
            None => Err(ApiError::new(codes::NOT_A_PARTY).field("user_id", "is no party to the transaction")),
        })
    }
}
