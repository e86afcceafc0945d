//! The state machine: where a transaction stands, and what an outcome makes of that. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    reason::Reason,
    step::{Failure, StepOutcome, Verb},
};

/// The word for where a transaction stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::EnumString, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Status {
    /// user-service was or will be asked to move money, and the outcome is not known yet.
    Processing,
    /// The money is set aside.
    Pending,
    /// The receiver has the money.
    Completed,
    /// The sender has the money: it was refused, or somebody decided so.
    Failed,
    /// The sender has the money back.
    Cancelled,
}

impl Status {
    /// True once no money of the transaction will move any more.
    pub fn is_settled(self) -> bool {
        !matches!(self, Self::Processing | Self::Pending)
    }
}

mysql::stored_as_text!(Status);

/// Where a transaction stands. While user-service is asked to move money, the state says what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The sender's money is to be set aside.
    Holding,
    /// It is to go to the receiver at once.
    Transferring,
    /// It is set aside.
    Pending,
    /// It is to go to the receiver.
    Capturing,
    /// It is to go back to the sender, for this end.
    Releasing(GivenBack),
    /// The receiver has it.
    Completed,
    /// The sender has it back.
    Cancelled,
    /// The sender has it: somebody decided so, or it was refused for this reason.
    Failed(Option<Failure>),
}

/// How a transaction ends whose money goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenBack {
    /// As cancelled.
    Cancelled,
    /// As failed: somebody decided so, or the receiver could not be paid for this reason.
    Failed(Option<Failure>),
}

impl State {
    /// The word for it.
    pub fn status(self) -> Status {
        match self {
            Self::Holding | Self::Transferring | Self::Capturing | Self::Releasing(_) => Status::Processing,
            Self::Pending => Status::Pending,
            Self::Completed => Status::Completed,
            Self::Cancelled => Status::Cancelled,
            Self::Failed(_) => Status::Failed,
        }
    }

    /// The verb that user-service was or will be asked for.
    pub fn verb(self) -> Option<Verb> {
        match self {
            Self::Holding => Some(Verb::Hold),
            Self::Transferring => Some(Verb::Transfer),
            Self::Capturing => Some(Verb::Capture),
            Self::Releasing(_) => Some(Verb::Release),
            Self::Pending | Self::Completed | Self::Cancelled | Self::Failed(_) => None,
        }
    }

    /// What a decision that is being carried out leads to.
    pub fn target(self) -> Option<Status> {
        match self {
            Self::Capturing => Some(Status::Completed),
            Self::Releasing(GivenBack::Cancelled) => Some(Status::Cancelled),
            Self::Releasing(GivenBack::Failed(_)) => Some(Status::Failed),
            _ => None,
        }
    }

    /// Why it failed by itself, or is about to.
    pub fn failure(self) -> Option<Failure> {
        match self {
            Self::Failed(failure) | Self::Releasing(GivenBack::Failed(failure)) => failure,
            _ => None,
        }
    }

    /// The state that these say; `None` if they contradict each other.
    pub fn of(status: Status, verb: Option<Verb>, target: Option<Status>, failure: Option<Failure>) -> Option<Self> {
        let state = match (status, verb, target) {
            (Status::Processing, Some(Verb::Hold), _) => Self::Holding,
            (Status::Processing, Some(Verb::Transfer), _) => Self::Transferring,
            (Status::Processing, Some(Verb::Capture), _) => Self::Capturing,
            (Status::Processing, Some(Verb::Release), Some(Status::Failed)) => {
                Self::Releasing(GivenBack::Failed(failure))
            }
            (Status::Processing, Some(Verb::Release), _) => Self::Releasing(GivenBack::Cancelled),
            (Status::Pending, ..) => Self::Pending,
            (Status::Completed, ..) => Self::Completed,
            (Status::Cancelled, ..) => Self::Cancelled,
            (Status::Failed, ..) => Self::Failed(failure),
            (Status::Processing, None, _) => return None,
        };
        let agrees = (state.verb(), state.target(), state.failure()) == (verb, target, failure);
        agrees.then_some(state)
    }

    /// What it becomes when the outcome of its verb is known.
    pub fn after(self, outcome: StepOutcome) -> Next {
        let become_now = |state| Next { state, accepted: false, reason: None };
        match (self, outcome) {
            (Self::Holding, StepOutcome::Applied) => Next { accepted: true, ..become_now(Self::Pending) },
            (Self::Transferring, StepOutcome::Applied) => Next { accepted: true, ..become_now(Self::Completed) },
            (Self::Holding | Self::Transferring, StepOutcome::Refused { code }) => become_now(Self::Failed(Some(code))),
            (Self::Capturing, StepOutcome::Applied) => become_now(Self::Completed),
            // what cannot be paid out goes back to the sender
            (Self::Capturing, StepOutcome::Refused { code }) => {
                become_now(Self::Releasing(GivenBack::Failed(Some(code))))
            }
            (Self::Releasing(GivenBack::Cancelled), StepOutcome::Applied) => become_now(Self::Cancelled),
            (Self::Releasing(GivenBack::Failed(failure)), StepOutcome::Applied) => become_now(Self::Failed(failure)),
            // a release is only ever refused after a capture: then the receiver has the money
            (Self::Releasing(_), StepOutcome::Refused { .. }) => {
                Next { reason: Some(Reason::AlreadyCaptured), ..become_now(Self::Completed) }
            }
            (Self::Pending | Self::Completed | Self::Cancelled | Self::Failed(_), _) => become_now(self),
        }
    }
}

/// What an outcome makes of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// The state that it takes.
    pub state: State,
    /// True if the money was set aside or moved by this step.
    pub accepted: bool,
    /// Why it ends so, if that is not what was decided.
    pub reason: Option<Reason>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [State; 11] = [
        State::Holding,
        State::Transferring,
        State::Pending,
        State::Capturing,
        State::Releasing(GivenBack::Cancelled),
        State::Releasing(GivenBack::Failed(None)),
        State::Releasing(GivenBack::Failed(Some(Failure::ReceiverNotFound))),
        State::Completed,
        State::Cancelled,
        State::Failed(None),
        State::Failed(Some(Failure::InsufficientBalance)),
    ];
    const REFUSED: StepOutcome = StepOutcome::Refused { code: Failure::InsufficientBalance };

    #[test]
    fn each_state_is_known_by_its_words_and_by_no_others() {
        for state in ALL {
            let words = (state.status(), state.verb(), state.target(), state.failure());
            assert_eq!(State::of(words.0, words.1, words.2, words.3), Some(state));
            assert_eq!(
                (state.status() == Status::Processing, state.status().is_settled()),
                (words.1.is_some(), { matches!(state, State::Completed | State::Cancelled | State::Failed(_)) })
            );
        }
        for (status, verb, target, failure) in [
            (Status::Processing, None, None, None),
            (Status::Pending, Some(Verb::Hold), None, None),
            (Status::Processing, Some(Verb::Hold), Some(Status::Completed), None),
            (Status::Processing, Some(Verb::Capture), None, None),
            (Status::Processing, Some(Verb::Release), Some(Status::Completed), None),
            (Status::Completed, None, None, Some(Failure::NotHeld)),
        ] {
            assert_eq!(State::of(status, verb, target, failure), None, "{status:?} {verb:?} {target:?} {failure:?}");
        }
    }

    #[test]
    fn each_outcome_leads_to_one_state() {
        use StepOutcome::Applied;
        let after = |state: State, outcome| state.after(outcome).state;
        assert_eq!(after(State::Holding, Applied), State::Pending);
        assert_eq!(after(State::Holding, REFUSED), State::Failed(Some(Failure::InsufficientBalance)));
        assert_eq!(after(State::Transferring, Applied), State::Completed);
        assert_eq!(after(State::Transferring, REFUSED), State::Failed(Some(Failure::InsufficientBalance)));
        assert_eq!(after(State::Capturing, Applied), State::Completed);
        assert_eq!(after(State::Releasing(GivenBack::Cancelled), Applied), State::Cancelled);
        assert_eq!(after(State::Releasing(GivenBack::Failed(None)), Applied), State::Failed(None));
        assert_eq!(after(State::Releasing(GivenBack::Cancelled), REFUSED), State::Completed);
        let accepting = ALL.into_iter().filter(|state| state.after(Applied).accepted);
        assert_eq!(accepting.collect::<Vec<_>>(), [State::Holding, State::Transferring]);
    }

    #[test]
    fn a_refused_capture_gives_the_money_back() {
        let releasing = State::Capturing.after(REFUSED).state;
        assert_eq!(releasing, State::Releasing(GivenBack::Failed(Some(Failure::InsufficientBalance))));
        assert_eq!(releasing.after(StepOutcome::Applied).state, State::Failed(Some(Failure::InsufficientBalance)));
    }

    #[test]
    fn what_is_settled_stays_so() {
        for state in ALL.into_iter().filter(|state| state.verb().is_none()) {
            for outcome in [StepOutcome::Applied, REFUSED] {
                assert_eq!(state.after(outcome), Next { state, accepted: false, reason: None });
            }
        }
    }
}
