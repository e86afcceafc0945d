//! Decisions about pending transactions: complete, fail, cancel. To complete one captures its whole amount; the ledger would take
//! a part of it, too (user-service, `domain/book.rs`).

use super::{
    actor::Actor,
    reason::Reason,
    state::{GivenBack, State, Status},
};

/// What is decided about a pending transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Pay the receiver.
    Complete,
    /// Give the money back, as a failure.
    Fail,
    /// Give the money back.
    Cancel,
}

impl Decision {
    /// The status that the decision leads to.
    pub fn target(self) -> Status {
        match self {
            Self::Complete => Status::Completed,
            Self::Fail => Status::Failed,
            Self::Cancel => Status::Cancelled,
        }
    }

    /// True if `actor` may decide so: the receiver may decline, and nothing else.
    pub fn is_open_to(self, actor: Actor) -> bool {
        actor != Actor::Receiver || self == Self::Cancel
    }

    /// The state in which the decision is carried out.
    pub fn state(self) -> State {
        match self {
            Self::Complete => State::Capturing,
            Self::Fail => State::Releasing(GivenBack::Failed(None)),
            Self::Cancel => State::Releasing(GivenBack::Cancelled),
        }
    }
}

/// A decision with its reason, and what goes with it.
#[derive(Debug, Clone)]
pub struct Ruling {
    /// What is decided.
    pub decision: Decision,
    /// Why.
    pub reason: Reason,
    /// A new description.
    pub description: Option<String>,
    /// For whom the transaction is deleted as well.
    pub hide: Option<Actor>,
}

impl Ruling {
    /// What `actor` decides.
    pub fn by(actor: Actor, decision: Decision) -> Self {
        Self { decision, reason: Reason::of(decision, actor), description: None, hide: None }
    }

    /// The end of a transaction about which nobody decided in time.
    pub fn expiry() -> Self {
        Self { decision: Decision::Cancel, reason: Reason::Expired, description: None, hide: None }
    }
}

impl Reason {
    /// The reason for what `actor` decides.
    pub fn of(decision: Decision, actor: Actor) -> Self {
        match (decision, actor) {
            (_, Actor::Receiver) => Self::Declined,
            (Decision::Complete, Actor::Sender) => Self::CompletedBySender,
            (Decision::Complete, Actor::Service) => Self::CompletedByService,
            (Decision::Complete, Actor::Anyone) => Self::CompletedByAnyone,
            (Decision::Cancel, Actor::Sender) => Self::CancelledBySender,
            (Decision::Cancel, Actor::Service) => Self::CancelledByService,
            (Decision::Cancel, Actor::Anyone) => Self::CancelledByAnyone,
            (Decision::Fail, Actor::Sender) => Self::FailedBySender,
            (Decision::Fail, Actor::Service) => Self::FailedByService,
            (Decision::Fail, Actor::Anyone) => Self::FailedByAnyone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_may_decline_and_nothing_else() {
        let all = [Decision::Complete, Decision::Fail, Decision::Cancel];
        assert_eq!(all.map(|decision| decision.is_open_to(Actor::Receiver)), [false, false, true]);
        assert!(all.iter().all(|decision| decision.is_open_to(Actor::Sender)));
    }
}
