//! Transactions of which several are paid, each its share: splits, and fees. Pure.

use chrono::{DateTime, Utc};
use money::{Amount, Money, UserId, split};
use serde::{Deserialize, Serialize};

use super::{actor::Actor, state::State, transaction::Transaction};

/// The most receivers of one transaction.
pub const MAX_SPLITS: usize = 20;

/// What of a transaction is one receiver's; of a refund, what one of those pays who were paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Whose.
    pub receiver_id: UserId,
    /// How much; of a refund also nothing.
    pub amount: Money,
    /// What of that is paid.
    pub captured: Money,
    /// What of that has gone back.
    pub refunded: Money,
    /// True for a fee, beside what the receiver gets.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_fee: bool,
    /// When its receiver deleted the transaction; the first one's is kept with the transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden_at: Option<DateTime<Utc>>,
}

impl Share {
    /// A share of which nothing is paid yet.
    pub fn new(receiver_id: UserId, amount: Money) -> Self {
        let (captured, refunded) = (Money::ZERO, Money::ZERO);
        Self { receiver_id, amount, captured, refunded, is_fee: false, hidden_at: None }
    }

    /// The shares of a payment of `amount` of which a part is a `fee`.
    pub fn with_fee(receiver: UserId, amount: Amount, (collector, fee): (UserId, Amount)) -> Vec<Self> {
        let fee = Self { is_fee: true, ..Self::new(collector, fee.money()) };
        vec![Self::new(receiver, amount.money() - fee.amount), fee]
    }

    /// The same shares at the moment when so much of each was paid, and nothing had gone back.
    pub fn paid(shares: &[Self], captured: impl Fn(&Self) -> Money) -> Vec<Self> {
        shares.iter().map(|share| Self { captured: captured(share), refunded: Money::ZERO, ..share.clone() }).collect()
    }
}

/// A share of a step, in the words of user-service.
#[derive(Debug, Clone, Serialize)]
pub struct StepShare {
    /// Whose.
    pub receiver_id: UserId,
    /// How much.
    pub amount: Money,
}

impl Transaction {
    /// True if several are paid, or pay a refund.
    pub fn is_shared(&self) -> bool {
        !self.shares.is_empty()
    }

    /// The fee, if there is one.
    pub fn fee(&self) -> Option<Money> {
        self.shares.iter().find(|share| share.is_fee).map(|fee| fee.amount)
    }

    /// The whole of each share, as a step of it.
    pub(super) fn whole_shares(&self) -> Vec<StepShare> {
        self.with_amounts(self.shares.iter().map(|share| share.amount))
    }

    /// How much of each share a capture of `taken` pays: in proportion to what is left of each.
    pub(super) fn captured_shares(&self, taken: Money) -> Vec<StepShare> {
        let left: Vec<Money> = self.shares.iter().map(|share| share.amount - share.captured).collect();
        self.with_amounts(split(taken, &left).into_iter())
    }

    fn with_amounts(&self, amounts: impl Iterator<Item = Money>) -> Vec<StepShare> {
        let of = |(share, amount): (&Share, Money)| StepShare { receiver_id: share.receiver_id, amount };
        self.shares.iter().zip(amounts).map(of).collect()
    }

    /// How much of each share a refund of `amount` takes back: in proportion to what is left to refund of each.
    pub fn refunded_shares(&self, amount: Amount) -> Vec<Share> {
        let left: Vec<Money> = self.shares.iter().map(|share| share.captured - share.refunded).collect();
        let parts = split(amount.money(), &left).into_iter();
        self.shares.iter().zip(parts).map(|(share, part)| Share::new(share.receiver_id, part)).collect()
    }

    /// Notes at the shares what the outstanding step, which has taken effect, has paid.
    pub(super) fn pay_shares(&mut self) {
        if let State::Capturing(capture) = self.state {
            let paid = self.captured_shares(capture.taken_of(self.left()));
            for (share, paid) in self.shares.iter_mut().zip(paid) {
                share.captured = share.captured + paid.amount;
            }
        } else if matches!(self.state, State::Transferring | State::Refunding) {
            self.pay_shares_in_full();
        }
    }

    /// Notes at the shares that all of each is paid.
    pub(super) fn pay_shares_in_full(&mut self) {
        for share in &mut self.shares {
            share.captured = share.amount;
        }
    }

    /// Notes at the shares what `refund` has taken back.
    pub(super) fn refund_shares(&mut self, refund: &Self) {
        for paid in &refund.shares {
            for share in self.shares.iter_mut().filter(|share| share.receiver_id == paid.receiver_id) {
                share.refunded = share.refunded + paid.amount;
            }
        }
    }

    /// Those who have a share beyond the first, which is the receiver's, or of a refund the sender's. Of a refund some may pay nothing.
    pub fn other_sharers(&self) -> impl Iterator<Item = UserId> {
        others(&self.shares)
    }

    /// Those of the other sharers whose transaction it is: from when money was held or moved.
    pub(super) fn other_parties(&self) -> impl Iterator<Item = UserId> {
        self.other_sharers().filter(|_| self.accepted_at.is_some())
    }

    /// True if it is a refund of which the first of those who were paid pays nothing.
    pub fn is_none_of_the_first(&self) -> bool {
        self.refund_of.is_some() && self.shares.first().is_some_and(|share| share.amount == Money::ZERO)
    }

    /// As `user` sees it: whoever has one share of several sees that one as the whole, and no other. Everybody else, and nobody in
    /// particular, sees all of it.
    #[must_use]
    pub fn seen_by(mut self, user: Option<UserId>) -> Self {
        let is_own = |share: &&Share| Some(share.receiver_id) == user;
        let Some(own) = self.shares.iter().find(is_own).cloned() else { return self };
        let party = if self.refund_of.is_some() { &mut self.sender_id } else { &mut self.receiver_id };
        *party = own.receiver_id;
        self.amount = Amount::try_from(own.amount).unwrap_or(self.amount);
        (self.captured, self.refunded, self.shares) = (own.captured, own.refunded, Vec::new());
        self
    }

    /// When the other receiver `user` deleted it.
    pub(super) fn hidden_from_sharer_at(&mut self, user: UserId) -> Option<&mut Option<DateTime<Utc>>> {
        self.shares.iter_mut().find(|share| share.receiver_id == user).map(|share| &mut share.hidden_at)
    }

    /// True once `actor`, one of the other receivers, deleted it.
    pub(super) fn is_hidden_from_sharer(&self, user: UserId) -> bool {
        self.shares.iter().any(|share| share.receiver_id == user && share.hidden_at.is_some())
    }

    /// True for what `actor` may refund of it: nobody takes another's share back by its own word.
    pub fn is_refunded_by(&self, actor: Actor) -> bool {
        match actor {
            Actor::Sender => false,
            Actor::Receiver | Actor::Sharer(_) => !self.is_shared(),
            Actor::Service | Actor::Anyone => true,
        }
    }
}

/// Those who have a share beyond the first, and more than nothing.
pub fn others(shares: &[Share]) -> impl Iterator<Item = UserId> {
    shares.iter().skip(1).filter(|share| share.amount != Money::ZERO).map(|share| share.receiver_id)
}
