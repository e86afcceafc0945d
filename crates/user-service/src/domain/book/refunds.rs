//! Refunds: what was captured goes back, from everybody who got it.

use money::Money;

use super::{Applied, Balances, Book, Entry};
use crate::domain::operation::{Refund, Refusal, Transfer};

impl Book {
    /// Gives back what was captured: all of it, or nothing.
    pub(super) fn refund(&mut self, refund: &Refund) -> Result<Applied, Refusal> {
        let Refund { refund_of, sender_id, receiver_id, amount, by_operator, ref shares, .. } = *refund;
        let hold = self.holds.get(&refund_of).ok_or(Refusal::NotHeld)?;
        // it goes the other way
        let is_between = |transfer: &Transfer| (transfer.receiver_id, transfer.sender_id) == (sender_id, receiver_id);
        if !hold.transfer.as_ref().is_some_and(is_between) || !hold.is_shared_by(shares.iter().map(|s| s.receiver_id)) {
            return Err(Refusal::NotHeld);
        }
        if amount.money() > hold.captured - hold.refunded || !hold.has_refundable(shares) {
            return Err(Refusal::ExceedsRefundable);
        }
        let payers = refund.payers();
        let paying = || payers.iter().filter(|payer| payer.amount != Money::ZERO);
        for payer in paying().filter(|_| !by_operator) {
            self.accounts.get(&payer.receiver_id).map_or(Ok(()), Balances::may_send)?;
        }
        for payer in paying() {
            self.enough(payer.receiver_id, payer.amount)?;
        }
        self.can_be_paid(receiver_id, amount.money(), by_operator)?;
        let hold = self.hold_of(refund_of);
        hold.refunded = hold.refunded + amount.money();
        hold.give_back(&payers);
        let mut entries: Vec<Entry> = paying().map(|payer| self.available(payer.receiver_id, -payer.amount)).collect();
        entries.push(self.available(receiver_id, amount.money()));
        Ok(self.applied(sender_id, entries))
    }
}
