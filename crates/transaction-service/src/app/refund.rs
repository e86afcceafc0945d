//! Giving back what was captured: a refund is a transaction of its own, from who was paid to who paid.

use common::{
    ApiError, Result,
    idempotency::{Answer, KeyedRequest},
    labels::Labels,
};
use money::{Amount, Money};

use super::{create::Creation, transfers::Transfers};
use crate::{
    codes,
    domain::{
        intent::{NewTransaction, Request},
        state::Status,
        transaction::Transaction,
    },
    store::transactions as store,
};

impl Transfers {
    /// Refunds `amount` of `of`, or all that is not refunded yet. user-service decides whether that is too much, under the lock of the
    /// money that was captured: of two refunds at once that together exceed it one is refused. The request is the one with the key, if it
    /// has one: then what it is refused with at once is kept.
    pub async fn refund(
        &self,
        of: &Transaction,
        amount: Option<Amount>,
        reason: String,
        labels: Labels,
        (request, keyed): (&Request, Option<&KeyedRequest>),
    ) -> Result<Creation> {
        // a request that is asked again is about what was left then
        let known = if request.has_key() {
            store::find_request(&mut *self.0.pool.acquire().await?, &request.identity).await?
        } else {
            None
        };
        let amount = match known.map_or_else(|| refunded(of, amount), |known| Ok(known.amount)) {
            Ok(amount) => amount,
            // whoever is asked to come back has not been refused
            Err(refusal) if refusal.code() == codes::TRANSACTION_IN_PROGRESS => return Err(refusal),
            Err(refusal) => match self.keep_refusal(keyed, &Answer::refusal(&refusal)).await? {
                Some(made) => made.amount,
                None => return Err(refusal),
            },
        };
        self.create(new_refund(of, amount, reason, labels), request).await
    }
}

/// The refund of `amount`.
pub(super) fn new_refund(of: &Transaction, amount: Amount, reason: String, labels: Labels) -> NewTransaction {
    NewTransaction {
        sender_id: of.receiver_id,
        receiver_id: of.sender_id,
        amount,
        description: reason,
        labels,
        auto_complete: true,
        refund_of: Some(of.id),
        batch_id: None,
        execute_at: None,
        schedule_id: None,
        shares: of.refunded_shares(amount),
    }
}

/// How much of a transaction is to be refunded, if `amount` is asked for.
pub(super) fn refunded(of: &Transaction, amount: Option<Amount>) -> Result<Amount> {
    if of.refund_of.is_some() {
        return Err(codes::NOT_REFUNDABLE.into());
    }
    if of.captured == Money::ZERO && of.status() == Status::Processing {
        return Err(codes::TRANSACTION_IN_PROGRESS.into());
    }
    let left = of.captured - of.refunded;
    let all = if left == Money::ZERO { of.captured } else { left };
    let amount = amount.or(Amount::try_from(all).ok()).filter(|_| of.captured != Money::ZERO);
    amount.ok_or_else(|| ApiError::new(codes::EXCEEDS_REFUNDABLE).detail("refundable", 0))
}
