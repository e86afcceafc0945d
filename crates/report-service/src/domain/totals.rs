//! What a transaction adds to its parties' totals. Pure arithmetic.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use money::{Money, UserId};

/// What of a transaction is in its parties' totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InTotals {
    /// What the receiver has got.
    pub captured: Money,
    pub for_sender: bool,
    pub for_receiver: bool,
}

impl InTotals {
    /// The part of the one party, where several are on the other side: of a payment the sender, of a refund the receiver.
    #[must_use]
    pub fn of_one(self, is_refund: bool) -> Self {
        Self { for_sender: self.for_sender && !is_refund, for_receiver: self.for_receiver && is_refund, ..self }
    }
}

/// The part of a transaction that totals depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub sender_id: UserId,
    pub receiver_id: UserId,
    /// True if it gives back what its receiver has paid.
    pub is_refund: bool,
    pub created_at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
    pub in_totals: InTotals,
}

/// By how much a user's totals change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delta {
    pub transactions: i64,
    pub spent: Money,
    pub received: Money,
    /// When the newest of those that count was created.
    pub last: Option<DateTime<Utc>>,
    /// The newest of the changes.
    pub changed_to: Option<DateTime<Utc>>,
}

/// Changes of totals, by user in ascending order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Deltas(pub BTreeMap<UserId, Delta>);

impl Deltas {
    /// Counts a transaction, of which `before` was counted so far (`None` if nothing was). Of those that are the user's, each
    /// counts; spent and received count what has moved. What is refunded counts as neither spent nor received.
    pub fn add(&mut self, before: Option<InTotals>, after: &Counted) {
        let Counted { sender_id, receiver_id, is_refund, in_totals, .. } = *after;
        let of_sender = |in_totals: InTotals| (in_totals.for_sender, in_totals.captured);
        let of_receiver = |in_totals: InTotals| (in_totals.for_receiver, in_totals.captured);
        let from_sender = self.add_for(sender_id, before.map(of_sender), of_sender(in_totals), after);
        let to_receiver = self.add_for(receiver_id, before.map(of_receiver), of_receiver(in_totals), after);
        if let Some(sender) = self.0.get_mut(&sender_id) {
            if is_refund {
                sender.received = sender.received - from_sender;
            } else {
                sender.spent = sender.spent + from_sender;
            }
        }
        if let Some(receiver) = self.0.get_mut(&receiver_id) {
            if is_refund {
                receiver.spent = receiver.spent - to_receiver;
            } else {
                receiver.received = receiver.received + to_receiver;
            }
        }
    }

    /// Counts it for one party, and returns by how much its sum changes.
    fn add_for(&mut self, user: UserId, before: Option<(bool, Money)>, now: (bool, Money), after: &Counted) -> Money {
        let amount = |(counts, money)| if counts { money } else { Money::ZERO };
        let ((did, _), (does, _)) = (before.unwrap_or((false, Money::ZERO)), now);
        if !did && !does {
            return Money::ZERO; // nothing of the user's
        }
        let delta = self.0.entry(user).or_default();
        delta.transactions += i64::from(does) - i64::from(did);
        delta.last = delta.last.max(does.then_some(after.created_at));
        delta.changed_to = delta.changed_to.max(Some(after.changed_at));
        amount(now) - before.map_or(Money::ZERO, amount)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn user(id: i64) -> UserId {
        UserId::try_from(id).unwrap()
    }

    /// A transaction of which so much is paid.
    fn counted(captured: i64) -> Counted {
        Counted {
            sender_id: user(1),
            receiver_id: user(2),
            is_refund: false,
            created_at: DateTime::from_timestamp(100, 0).unwrap(),
            changed_at: DateTime::from_timestamp(200, 0).unwrap(),
            in_totals: InTotals { captured: captured.into(), for_sender: true, for_receiver: true },
        }
    }

    #[test]
    fn what_is_not_a_users_does_not_even_make_a_row_of_totals() {
        let mut deltas = Deltas::default();
        let mut refused = counted(0);
        refused.in_totals.for_receiver = false;
        deltas.add(None, &refused);
        assert_eq!(deltas.0.keys().copied().collect::<Vec<_>>(), [user(1)]);
        // the version before counted it for both
        let mut correction = Deltas::default();
        correction.add(Some(counted(0).in_totals), &refused);
        let (sender, receiver) = (correction.0[&user(1)], correction.0[&user(2)]);
        assert_eq!(sender.transactions, 0);
        assert_eq!((receiver.transactions, receiver.last), (-1, None));
    }

    #[test]
    fn what_is_paid_counts_for_both_sides_and_what_is_refunded_for_neither() {
        let mut deltas = Deltas::default();
        deltas.add(None, &counted(100));
        let sums = |deltas: &Deltas| {
            [1, 2].map(|id| deltas.0[&user(id)]).map(|delta| (delta.transactions, delta.spent, delta.received))
        };
        assert_eq!(sums(&deltas), [(1, 100.into(), Money::ZERO), (1, Money::ZERO, 100.into())]);
        let refund = Counted { sender_id: user(2), receiver_id: user(1), is_refund: true, ..counted(40) };
        deltas.add(None, &refund);
        assert_eq!(sums(&deltas), [(2, 60.into(), Money::ZERO), (2, Money::ZERO, 60.into())]);
    }

    proptest! {
        #[test]
        fn any_way_to_an_amount_counts_like_the_amount_itself(path in prop::collection::vec(0_i64..5, 1..8)) {
            let mut stepwise = Deltas::default();
            let mut before = None;
            for captured in &path {
                stepwise.add(before, &counted(*captured));
                before = Some(counted(*captured).in_totals);
            }
            let mut direct = Deltas::default();
            direct.add(None, &counted(*path.last().unwrap()));
            prop_assert_eq!(stepwise, direct);
        }
    }
}
