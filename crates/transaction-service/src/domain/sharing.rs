//! What becomes of the shares of a transaction: how captures and refunds are shared, and who sees what. Pure.

use chrono::{DateTime, Utc};
use money::{Amount, Money, UserId, split};

use super::{
    actor::Actor,
    shares::{Share, StepShare, others},
    state::State,
    transaction::Transaction,
};

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
        let of = |(share, amount): (&Share, Money)| {
            let Share { receiver_id, is_fee, .. } = *share;
            StepShare { receiver_id, amount, is_fee }
        };
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
        self.amount = own.amount.try_into().unwrap_or(self.amount); // whoever pays nothing of a refund is no party to it
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

#[cfg(test)]
mod tests {
    use common::origin::Origin;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        capture::Capture,
        decision::{Decision, Ruling},
        facts::{self, Before},
        shares::MAX_SPLITS,
        step::StepOutcome,
        transaction::tests::transaction,
        transition::{Transition, refund},
    };

    /// A pending transaction with shares of so many hundredths each.
    fn pending(shares: &[i64]) -> Transaction {
        let amount: i64 = shares.iter().sum();
        let shares = (2..).zip(shares).map(|(id, part)| Share::new(id.try_into().unwrap(), cents(*part))).collect();
        Transaction { shares, amount: cents(amount).try_into().unwrap(), ..transaction(State::Pending) }
    }

    fn cents(cents: i64) -> Money {
        serde_json::from_str(&format!("{}.{:02}", cents / 100, cents % 100)).unwrap()
    }

    fn apply(row: &mut Transaction, transition: &Transition) -> bool {
        transition.apply(row, DateTime::UNIX_EPOCH, &Origin::default())
    }

    /// Captures so much, or all that is left.
    fn capture(row: &mut Transaction, amount: Option<Amount>) -> bool {
        let decision = Decision::Capture(Capture { amount, is_final: amount.is_none() });
        let is_decided = apply(row, &Transition::Decide(Ruling::by(Actor::Service, decision)));
        let outcome = Transition::Outcome { step: row.step, outcome: StepOutcome::Applied };
        is_decided && apply(row, &outcome)
    }

    fn sum(row: &Transaction, of: impl Fn(&Share) -> Money) -> Money {
        row.shares.iter().map(of).sum()
    }

    #[test]
    fn a_fact_says_how_much_of_each_share_is_paid_now() {
        let mut row = pending(&[200, 100]);
        assert!(capture(&mut row, cents(150).try_into().ok()));
        let ruling = Ruling::by(Actor::Service, Decision::COMPLETE);
        assert!(apply(&mut row, &Transition::Decide(ruling)));
        let before = Before::of(&row);
        let outcome = Transition::Outcome { step: row.step, outcome: StepOutcome::Applied };
        assert!(apply(&mut row, &outcome));
        let fact = facts::fact(&before, &row, &Origin::default()).unwrap();
        let state: common::fact::TransactionState = serde_json::from_str(fact.data.get()).unwrap();
        let told: Vec<(i64, Money)> =
            state.shares.iter().map(|share| (share.user_id.get(), share.paid_amount)).collect();
        assert_eq!(told, [(2, 1.into()), (3, cents(50))]);
    }

    #[test]
    fn a_share_of_more_digits_than_a_request_may_have_is_seen_alone() {
        let row = Transaction { refund_of: Some(9.try_into().unwrap()), ..pending(&[3_333_333_333_333_367, 2]) };
        let seen = row.seen_by(Some(2.try_into().unwrap()));
        assert_eq!(seen.amount.money(), cents(3_333_333_333_333_367));
    }

    #[test]
    fn what_a_receiver_refunds_is_its_own_alone() {
        let (plain, shared) = (transaction(State::Completed), pending(&[1, 1]));
        let other = Actor::Sharer(3.try_into().unwrap());
        let of =
            |row: &Transaction| [Actor::Sender, Actor::Receiver, other, Actor::Service].map(|a| row.is_refunded_by(a));
        assert_eq!(of(&plain), [false, true, true, true]);
        assert_eq!(of(&shared), [false, false, false, true]);
    }

    proptest! {
        #[test]
        fn no_way_of_capturing_and_refunding_loses_or_makes_a_cent(
            shares in prop::collection::vec(1_i64..500, 1..=MAX_SPLITS),
            steps in prop::collection::vec((any::<bool>(), 1_i64..400), 0..20),
        ) {
            let mut row = pending(&shares);
            let amount = |cents_: i64, left: Money| Amount::try_from(cents(cents_).min(left)).ok();
            let holds = |row: &Transaction| {
                sum(row, |share| share.captured) == row.captured
                    && sum(row, |share| share.refunded) == row.refunded
                    && row.shares.iter().all(|s| s.refunded <= s.captured && s.captured <= s.amount)
            };
            let give_back = |row: &mut Transaction, amount: Amount| {
                let shares = row.refunded_shares(amount);
                refund(row, &Transaction { amount, shares, ..transaction(State::Completed) }, DateTime::UNIX_EPOCH);
            };
            for (is_capture, part) in steps {
                let part = amount(part, if is_capture { row.left() } else { row.captured - row.refunded });
                match part {
                    Some(part) if is_capture => _ = capture(&mut row, Some(part)),
                    Some(part) => give_back(&mut row, part),
                    None => {}
                }
                prop_assert!(holds(&row));
            }
            capture(&mut row, None);
            prop_assert!(holds(&row) && row.shares.iter().all(|share| share.captured == share.amount));
            if let Ok(rest) = Amount::try_from(row.captured - row.refunded) {
                give_back(&mut row, rest);
            }
            prop_assert!(holds(&row) && row.shares.iter().all(|share| share.refunded == share.amount));
        }
    }
}
