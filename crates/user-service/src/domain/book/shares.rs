//! Holds of which several are paid, each its share.

use money::{Money, UserId};

use super::{Book, Entry, Hold};
use crate::domain::{
    operation::Refusal,
    share::{HeldShare, Share},
};

impl Hold {
    /// True if exactly these are paid of it, in this order; none if it has one receiver.
    pub(super) fn is_shared_by(&self, receivers: impl Iterator<Item = UserId>) -> bool {
        self.shares.iter().map(|share| share.receiver_id).eq(receivers)
    }

    /// True if so much is left of each share.
    pub(super) fn has_left(&self, shares: &[Share]) -> bool {
        self.has(shares, |held| held.amount - held.captured)
    }

    /// True if so much can be given back of each share.
    pub(super) fn has_refundable(&self, shares: &[Share]) -> bool {
        self.has(shares, |held| held.captured - held.refunded)
    }

    fn has(&self, shares: &[Share], left: impl Fn(&HeldShare) -> Money) -> bool {
        self.is_shared_by(shares.iter().map(|share| share.receiver_id))
            && self.shares.iter().zip(shares).all(|(held, share)| share.amount <= left(held))
    }

    /// Notes what is paid of each share, if there are shares.
    pub(super) fn take(&mut self, shares: &[Share]) {
        for (held, share) in self.shares.iter_mut().zip(shares) {
            held.captured = held.captured + share.amount;
        }
    }

    /// Notes what is given back of each share, if there are shares.
    pub(super) fn give_back(&mut self, shares: &[Share]) {
        for (held, share) in self.shares.iter_mut().zip(shares) {
            held.refunded = held.refunded + share.amount;
        }
    }
}

impl Book {
    /// Refuses what one of them cannot be paid; whoever gets nothing this time does not matter.
    pub(super) fn can_all_be_paid(&self, payees: &[Share], by_operator: bool) -> Result<(), Refusal> {
        let mut paid = payees.iter().filter(|payee| payee.amount != Money::ZERO);
        paid.try_for_each(|payee| self.can_be_paid(payee.receiver_id, payee.amount, by_operator))
    }

    /// A leg for each of `payees` that gets something.
    pub(super) fn pay(&mut self, payees: &[Share]) -> Vec<Entry> {
        let paid = payees.iter().filter(|payee| payee.amount != Money::ZERO);
        let leg = |payee: &Share| Entry { is_fee: payee.is_fee, ..self.available(payee.receiver_id, payee.amount) };
        paid.map(leg).collect()
    }
}
