//! Who acts on a transaction, and whose it is.

use common::caller::Caller;
use money::UserId;

use super::{state::State, step::Failure, transaction::Transaction};

/// Who acts on a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// The user who pays.
    Sender,
    /// The user who is paid.
    Receiver,
    /// A user who is paid a share, beside the receiver, or of a refund pays one.
    Sharer(UserId),
    /// A service.
    Service,
    /// A caller without a token, in development.
    Anyone,
}

impl Actor {
    /// What `caller` is to `row`. Users must be one of its parties.
    pub fn of(caller: Caller, row: &Transaction) -> Self {
        match caller {
            Caller::User(user) if user == row.sender_id => Self::Sender,
            Caller::User(user) if row.other_sharers().any(|sharer| sharer == user) => Self::Sharer(user),
            Caller::User(_) => Self::Receiver,
            Caller::Service(_) => Self::Service,
            Caller::Anyone => Self::Anyone,
        }
    }

    /// True for whoever is paid, alone or with others.
    pub fn is_receiver(self) -> bool {
        matches!(self, Self::Receiver | Self::Sharer(_))
    }
}

/// What of a transaction is whose.
impl Transaction {
    /// True if it is one of the sender's transactions. Who does not exist has none, and neither has an account that gets the
    /// number later; one that user-service never heard of is nobody's.
    pub fn is_senders(&self) -> bool {
        self.accepted_at.is_some()
            || !matches!(self.state, State::Failed(Some(Failure::UserNotFound | Failure::NotReached)))
    }

    /// True if it is one of the receiver's transactions: from when money was held for it. Anybody can ask for a payment that
    /// fails, with any description.
    pub fn is_receivers(&self) -> bool {
        self.accepted_at.is_some()
    }

    /// True if it counts in the sender's totals: one that is scheduled has not been made yet.
    pub fn counts_for_sender(&self) -> bool {
        self.is_senders() && !self.is_scheduled()
    }

    /// True if it counts in the receiver's totals: from when it begins, as long as it is open, that is so, too, since a total says
    /// what was so at a moment, and whether money was held at that moment can only be told of those that never held any.
    pub fn counts_for_receiver(&self) -> bool {
        self.is_receivers() || !matches!(self.state, State::Scheduled { .. } | State::Failed(_) | State::Cancelled)
    }

    /// The users whose transaction it is.
    pub fn parties(&self) -> Vec<UserId> {
        let is_senders = self.is_senders() && !self.is_none_of_the_first();
        let parties = [(is_senders, self.sender_id), (self.is_receivers(), self.receiver_id)];
        let parties = parties.into_iter().filter_map(|(is_party, user)| is_party.then_some(user));
        parties.chain(self.other_parties()).collect()
    }

    /// True once it was deleted for `actor`.
    pub fn is_hidden_from(&self, actor: Actor) -> bool {
        self.is_hidden()
            || match actor {
                Actor::Sender => self.hidden_from_sender_at.is_some(),
                Actor::Receiver => self.hidden_from_receiver_at.is_some(),
                Actor::Sharer(user) => self.is_hidden_from_sharer(user),
                Actor::Service | Actor::Anyone => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{state::Status, transaction::tests::transaction};

    #[test]
    fn a_scheduled_transaction_is_its_senders_alone_and_counts_in_no_total() {
        let row = transaction(State::Scheduled { auto_complete: true });
        assert_eq!((row.status(), row.parties()), (Status::Scheduled, vec![row.sender_id]));
        assert!(!row.counts_for_sender() && !row.counts_for_receiver());
        let cancelled = Transaction { state: State::Cancelled, ..row.clone() };
        assert!(cancelled.counts_for_sender() && !cancelled.counts_for_receiver());
        let begun = Transaction { state: State::Transferring, ..row };
        assert!(begun.counts_for_sender() && begun.counts_for_receiver());
    }
}
