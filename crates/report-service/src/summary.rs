//! What a transaction adds to its parties' totals. Pure arithmetic.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use common::{Amount, Money, UserId};

use crate::clients::Status;

/// The part of a transaction that totals depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub sender_id: UserId,
    pub receiver_id: UserId,
    pub amount: Amount,
    pub status: Status,
    pub created_at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
}

/// By how much a user's totals change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delta {
    pub transactions: i64,
    pub spent: Money,
    pub received: Money,
    pub last: Option<DateTime<Utc>>,
    /// The newest of the changes.
    pub changed_to: Option<DateTime<Utc>>,
}

/// Changes of totals, by user in ascending order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Deltas(pub BTreeMap<UserId, Delta>);

impl Deltas {
    /// Counts that a transaction, formerly in status `before` (`None` if it was not counted yet), is now `after`.
    /// Every transaction counts; spent and received count completed ones.
    pub fn add(&mut self, before: Option<Status>, after: &Counted) {
        let amount = |status| if status == Status::Completed { after.amount.money() } else { Money::ZERO };
        let moved = amount(after.status) - before.map_or(Money::ZERO, amount);
        let new = i64::from(before.is_none());
        for user in [after.sender_id, after.receiver_id] {
            let delta = self.0.entry(user).or_default();
            delta.transactions += new;
            delta.last = delta.last.max(Some(after.created_at));
            delta.changed_to = delta.changed_to.max(Some(after.changed_at));
        }
        let sender = self.0.entry(after.sender_id).or_default();
        sender.spent = sender.spent + moved;
        let receiver = self.0.entry(after.receiver_id).or_default();
        receiver.received = receiver.received + moved;
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
            status,
            created_at: DateTime::from_timestamp(100, 0).unwrap(),
            changed_at: DateTime::from_timestamp(200, 0).unwrap(),
        }
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
                before = Some(STATUSES[*index]);
            }
            let mut direct = Deltas::default();
            direct.add(None, &counted(before.unwrap()));
            prop_assert_eq!(stepwise, direct);
        }
    }
}
