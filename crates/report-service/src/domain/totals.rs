//! What a transaction adds to its parties' totals. Pure arithmetic.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use money::{Amount, Money, UserId};

use crate::domain::change::Status;

/// What of a transaction is in its parties' totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InTotals {
    pub status: Status,
    pub for_sender: bool,
    pub for_receiver: bool,
}

/// The part of a transaction that totals depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub sender_id: UserId,
    pub receiver_id: UserId,
    pub amount: Amount,
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
    /// Counts a transaction, of which `before` was counted so far (`None` if nothing was). Of those that are the user's,
    /// each counts; spent and received count completed ones.
    pub fn add(&mut self, before: Option<InTotals>, after: &Counted) {
        let Counted { sender_id, receiver_id, in_totals, .. } = *after;
        let of_sender = |in_totals: InTotals| (in_totals.for_sender, in_totals.status);
        let of_receiver = |in_totals: InTotals| (in_totals.for_receiver, in_totals.status);
        let spent = self.add_for(sender_id, before.map(of_sender), of_sender(in_totals), after);
        let received = self.add_for(receiver_id, before.map(of_receiver), of_receiver(in_totals), after);
        if let Some(sender) = self.0.get_mut(&sender_id) {
            sender.spent = sender.spent + spent;
        }
        if let Some(receiver) = self.0.get_mut(&receiver_id) {
            receiver.received = receiver.received + received;
        }
    }

    /// Counts it for one party, and returns by how much its sum of completed ones changes.
    fn add_for(&mut self, user: UserId, before: Option<(bool, Status)>, now: (bool, Status), after: &Counted) -> Money {
        let amount = |(counts, status)| match (counts, status) {
            (true, Status::Completed) => after.amount.money(),
            _ => Money::ZERO,
        };
        let ((did, _), (does, _)) = (before.unwrap_or((false, after.in_totals.status)), now);
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

    fn counted(status: Status) -> Counted {
        Counted {
            sender_id: user(1),
            receiver_id: user(2),
            amount: "100.5".parse().unwrap(),
            created_at: DateTime::from_timestamp(100, 0).unwrap(),
            changed_at: DateTime::from_timestamp(200, 0).unwrap(),
            in_totals: InTotals { status, for_sender: true, for_receiver: true },
        }
    }

    #[test]
    fn what_is_not_a_users_does_not_even_make_a_row_of_totals() {
        let mut deltas = Deltas::default();
        let mut refused = counted(Status::Failed);
        refused.in_totals.for_receiver = false;
        deltas.add(None, &refused);
        assert_eq!(deltas.0.keys().copied().collect::<Vec<_>>(), [user(1)]);
        // the version before counted it for both
        let mut correction = Deltas::default();
        correction.add(Some(counted(Status::Failed).in_totals), &refused);
        let (sender, receiver) = (correction.0[&user(1)], correction.0[&user(2)]);
        assert_eq!(sender.transactions, 0);
        assert_eq!((receiver.transactions, receiver.last), (-1, None));
    }

    #[test]
    fn a_completed_transaction_counts_for_both_sides() {
        let mut deltas = Deltas::default();
        deltas.add(None, &counted(Status::Completed));
        let (sender, receiver) = (deltas.0[&user(1)], deltas.0[&user(2)]);
        assert_eq!((sender.transactions, sender.spent.to_string(), sender.received), (1, "100.5".into(), Money::ZERO));
        assert_eq!(
            (receiver.transactions, receiver.received.to_string(), receiver.spent),
            (1, "100.5".into(), Money::ZERO)
        );
    }

    const STATUSES: [Status; 5] =
        [Status::Processing, Status::Pending, Status::Completed, Status::Failed, Status::Cancelled];

    proptest! {
        #[test]
        fn any_way_to_a_status_counts_like_the_status_itself(path in prop::collection::vec(0_usize..5, 1..8)) {
            let mut stepwise = Deltas::default();
            let mut before = None;
            for index in &path {
                stepwise.add(before, &counted(STATUSES[*index]));
                before = Some(counted(STATUSES[*index]).in_totals);
            }
            let mut direct = Deltas::default();
            direct.add(None, &counted(before.unwrap().status));
            prop_assert_eq!(stepwise, direct);
        }
    }
}
