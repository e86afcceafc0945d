//! Decisions about pending transactions: capture all of it or a part, fail, cancel.

use money::Money;

use super::{
    actor::Actor,
    capture::{Capture, MAX_CAPTURES},
    intent::Request,
    reason::Reason,
    state::{GivenBack, State, Status},
    transaction::Transaction,
};

/// What is decided about a pending transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Pay the receiver.
    Capture(Capture),
    /// Give the money back, as a failure.
    Fail,
    /// Give the money back.
    Cancel,
}

impl Decision {
    /// To pay the receiver all that is left.
    pub const COMPLETE: Self = Self::Capture(Capture::ALL);

    /// True if `actor` may decide so: the receiver may decline, and nothing else.
    pub fn is_open_to(self, actor: Actor) -> bool {
        !actor.is_receiver() || self == Self::Cancel
    }

    /// The state in which the decision about `row` is carried out; `None` if it cannot be: more is to be captured than is left,
    /// a part after [`MAX_CAPTURES`] of them, what has been paid in part is to fail, or what is scheduled is to do anything but be cancelled.
    pub fn state(self, row: &Transaction) -> Option<State> {
        if row.is_scheduled() {
            // nothing is set aside that would have to go back
            return (self == Self::Cancel).then_some(State::Cancelled);
        }
        let has_some = row.captured != Money::ZERO;
        match self {
            Self::Capture(capture) => {
                let capture = capture.within(row.left())?;
                // the first step was the hold, and each capture is one more
                (capture.is_final || row.step <= MAX_CAPTURES).then_some(State::Capturing(capture))
            }
            Self::Fail if has_some => None,
            Self::Fail => Some(State::Releasing(GivenBack::Failed(None))),
            Self::Cancel if has_some => Some(State::Releasing(GivenBack::Rest)),
            Self::Cancel => Some(State::Releasing(GivenBack::Cancelled)),
        }
    }

    /// True if `row` is as the decision wants it, or on its way there, as far as the row says. Of a capture of an amount it only says so on
    /// the way.
    pub fn agrees_with(self, row: &Transaction) -> bool {
        self.is_in(row, None)
    }

    /// True if `row` is as the decision makes it of a transaction of which so much was captured before, or on its way there.
    pub fn has_made(self, row: &Transaction, captured_before: Money) -> bool {
        self.is_in(row, Some(captured_before))
    }

    fn is_in(self, row: &Transaction, captured_before: Option<Money>) -> bool {
        let ends_as = |status| row.status() == status || row.state.target() == Some(status);
        match self {
            Self::Capture(Capture { amount: None, .. }) => ends_as(Status::Completed) && !row.gives_rest_back(),
            Self::Capture(Capture { amount: Some(amount), .. }) => match row.state {
                State::Capturing(capture) => capture.is_final && capture.amount == Some(amount),
                _ => {
                    let captured = captured_before.map(|before| before + amount.money());
                    row.status() == Status::Completed && captured == Some(row.captured)
                }
            },
            Self::Fail => ends_as(Status::Failed),
            Self::Cancel => ends_as(Status::Cancelled) || row.gives_rest_back(),
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
    /// The request for a capture, if it had a key.
    pub request: Option<Request>,
}

impl Ruling {
    /// What `actor` decides.
    pub fn by(actor: Actor, decision: Decision) -> Self {
        Self { decision, reason: Reason::of(decision, actor), description: None, hide: None, request: None }
    }

    /// The end of a transaction about which nobody decided in time.
    pub fn expiry() -> Self {
        Self { decision: Decision::Cancel, reason: Reason::Expired, description: None, hide: None, request: None }
    }
}

impl Reason {
    /// The reason for what `actor` decides.
    pub fn of(decision: Decision, actor: Actor) -> Self {
        match (decision, actor) {
            (_, Actor::Receiver | Actor::Sharer(_)) => Self::Declined,
            (Decision::Capture(_), Actor::Sender) => Self::CompletedBySender,
            (Decision::Capture(_), Actor::Service) => Self::CompletedByService,
            (Decision::Capture(_), Actor::Anyone) => Self::CompletedByAnyone,
            (Decision::Cancel, Actor::Sender) => Self::CancelledBySender,
            (Decision::Cancel, Actor::Service) => Self::CancelledByService,
            (Decision::Cancel, Actor::Anyone) => Self::CancelledByAnyone,
            (Decision::Fail, Actor::Sender) => Self::FailedBySender,
            (Decision::Fail, Actor::Service) => Self::FailedByService,
            (Decision::Fail, Actor::Anyone) => Self::FailedByAnyone,
        }
    }

    /// True if the sender decided so.
    pub fn is_senders(self) -> bool {
        matches!(self, Self::CompletedBySender | Self::CancelledBySender | Self::FailedBySender)
    }

    /// The reason why what is left goes back after a capture.
    pub fn of_rest(self) -> Self {
        if self == Self::Expired { Self::Expired } else { Self::Cancelled }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_may_decline_and_nothing_else() {
        let all = [Decision::COMPLETE, Decision::Fail, Decision::Cancel];
        for receiver in [Actor::Receiver, Actor::Sharer(3.try_into().unwrap())] {
            assert_eq!(all.map(|decision| decision.is_open_to(receiver)), [false, false, true]);
        }
        assert!(all.iter().all(|decision| decision.is_open_to(Actor::Sender)));
    }
}
