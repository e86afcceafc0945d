//! The state machine: where a transaction stands, and what an outcome makes of that. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use money::Amount;

use super::{
    capture::Capture,
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
    /// Its time has not come; nothing is set aside.
    Scheduled,
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
        !matches!(self, Self::Scheduled | Self::Processing | Self::Pending)
    }
}

mysql::stored_as_text!(Status);

/// Where a transaction stands. While user-service is asked to move money, the state says what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The sender's money is to be set aside at a later time, or to go to the receiver then.
    Scheduled {
        /// True if it is to go to the receiver at once.
        auto_complete: bool,
    },
    /// The sender's money is to be set aside.
    Holding,
    /// It is to go to the receiver at once.
    Transferring,
    /// It is to go back to whom it came from.
    Refunding,
    /// It is set aside.
    Pending,
    /// It is to go to the receiver, or some of it is.
    Capturing(Capture),
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
    /// As completed: it is what is left after a capture.
    Rest,
}

/// The words by which a state is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// Where the transaction stands.
    pub status: Status,
    /// What user-service was or will be asked for.
    pub verb: Option<Verb>,
    /// What a decision that is being carried out leads to, or what is to begin later.
    pub target: Option<Status>,
    /// Why it failed by itself, or is about to.
    pub failure: Option<Failure>,
    /// How much is being captured, if that is not all that is left.
    pub amount: Option<Amount>,
}

impl State {
    /// The state in which a transaction begins that moves the money in one step, or in two.
    pub fn begun(auto_complete: bool) -> Self {
        if auto_complete { Self::Transferring } else { Self::Holding }
    }

    /// The word for it.
    pub fn status(self) -> Status {
        match self {
            Self::Scheduled { .. } => Status::Scheduled,
            Self::Holding | Self::Transferring | Self::Refunding | Self::Capturing(_) | Self::Releasing(_) => {
                Status::Processing
            }
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
            Self::Refunding => Some(Verb::Refund),
            Self::Capturing(_) => Some(Verb::Capture),
            Self::Releasing(_) => Some(Verb::Release),
            Self::Scheduled { .. } | Self::Pending | Self::Completed | Self::Cancelled | Self::Failed(_) => None,
        }
    }

    /// What a decision that is being carried out leads to.
    pub fn target(self) -> Option<Status> {
        match self {
            Self::Capturing(capture) => Some(if capture.is_final { Status::Completed } else { Status::Pending }),
            Self::Releasing(GivenBack::Cancelled) => Some(Status::Cancelled),
            Self::Releasing(GivenBack::Failed(_)) => Some(Status::Failed),
            Self::Releasing(GivenBack::Rest) => Some(Status::Completed),
            _ => None,
        }
    }

    /// The capture that is to be carried out.
    pub fn capture(self) -> Option<Capture> {
        match self {
            Self::Capturing(capture) => Some(capture),
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

    /// The words by which it is stored.
    pub fn words(self) -> Words {
        Words {
            status: self.status(),
            verb: self.verb(),
            target: match self {
                Self::Scheduled { auto_complete: true } => Some(Status::Completed),
                Self::Scheduled { auto_complete: false } => Some(Status::Pending),
                _ => self.target(),
            },
            failure: self.failure(),
            amount: self.capture().and_then(|capture| capture.amount),
        }
    }

    /// The state that these words say; `None` if they contradict each other.
    pub fn of(words: Words) -> Option<Self> {
        let Words { status, verb, target, failure, amount } = words;
        let state = match (status, verb, target) {
            (Status::Processing, Some(Verb::Hold), _) => Self::Holding,
            (Status::Processing, Some(Verb::Transfer), _) => Self::Transferring,
            (Status::Processing, Some(Verb::Refund), _) => Self::Refunding,
            (Status::Processing, Some(Verb::Capture), _) => {
                Self::Capturing(Capture { amount, is_final: target == Some(Status::Completed) })
            }
            (Status::Processing, Some(Verb::Release), Some(Status::Failed)) => {
                Self::Releasing(GivenBack::Failed(failure))
            }
            (Status::Processing, Some(Verb::Release), Some(Status::Completed)) => Self::Releasing(GivenBack::Rest),
            (Status::Processing, Some(Verb::Release), _) => Self::Releasing(GivenBack::Cancelled),
            (Status::Scheduled, ..) => Self::Scheduled { auto_complete: target == Some(Status::Completed) },
            (Status::Pending, ..) => Self::Pending,
            (Status::Completed, ..) => Self::Completed,
            (Status::Cancelled, ..) => Self::Cancelled,
            (Status::Failed, ..) => Self::Failed(failure),
            (Status::Processing, None, _) => return None,
        };
        (state.words() == words).then_some(state)
    }

    /// What it becomes when the outcome of its verb is known, if the receiver `has_some` of the money already.
    pub fn after(self, outcome: StepOutcome, has_some: bool) -> Next {
        let become_now = |state| Next { state, accepted: false, reason: None };
        match (self, outcome) {
            (Self::Holding, StepOutcome::Applied) => Next { accepted: true, ..become_now(Self::Pending) },
            (Self::Transferring | Self::Refunding, StepOutcome::Applied) => {
                Next { accepted: true, ..become_now(Self::Completed) }
            }
            (Self::Holding | Self::Transferring | Self::Refunding, StepOutcome::Refused { code }) => {
                become_now(Self::Failed(Some(code)))
            }
            (Self::Capturing(capture), StepOutcome::Applied) => {
                become_now(if capture.is_final { Self::Completed } else { Self::Pending })
            }
            // what cannot be paid out goes back to the sender
            (Self::Capturing(_), StepOutcome::Refused { .. }) if has_some => {
                Next { reason: Some(Reason::Cancelled), ..become_now(Self::Releasing(GivenBack::Rest)) }
            }
            (Self::Capturing(_), StepOutcome::Refused { code }) => {
                become_now(Self::Releasing(GivenBack::Failed(Some(code))))
            }
            (Self::Releasing(GivenBack::Cancelled), StepOutcome::Applied) => become_now(Self::Cancelled),
            (Self::Releasing(GivenBack::Failed(failure)), StepOutcome::Applied) => become_now(Self::Failed(failure)),
            (Self::Releasing(GivenBack::Rest), StepOutcome::Applied) => become_now(Self::Completed),
            // a release is only ever refused after a capture: then the receiver has the money
            (Self::Releasing(_), StepOutcome::Refused { .. }) => {
                Next { reason: Some(Reason::AlreadyCaptured), ..become_now(Self::Completed) }
            }
            (Self::Scheduled { .. } | Self::Pending | Self::Completed | Self::Cancelled | Self::Failed(_), _) => {
                become_now(self)
            }
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

    const ALL: [State; 17] = [
        State::Scheduled { auto_complete: false },
        State::Scheduled { auto_complete: true },
        State::Holding,
        State::Transferring,
        State::Refunding,
        State::Pending,
        CAPTURING,
        State::Capturing(Capture { amount: None, is_final: false }),
        State::Releasing(GivenBack::Cancelled),
        State::Releasing(GivenBack::Rest),
        State::Releasing(GivenBack::Failed(None)),
        State::Releasing(GivenBack::Failed(Some(Failure::ReceiverNotFound))),
        State::Completed,
        State::Cancelled,
        State::Failed(None),
        State::Failed(Some(Failure::InsufficientBalance)),
        State::Failed(Some(Failure::ExceedsRefundable)),
    ];
    const CAPTURING: State = State::Capturing(Capture::ALL);
    const REFUSED: StepOutcome = StepOutcome::Refused { code: Failure::InsufficientBalance };

    fn part(amount: &str, is_final: bool) -> State {
        State::Capturing(Capture { amount: Some(amount.parse().unwrap()), is_final })
    }

    #[test]
    fn each_state_is_known_by_its_words_and_by_no_others() {
        for state in ALL.into_iter().chain([part("25", true), part("25", false)]) {
            let words = state.words();
            assert_eq!(State::of(words), Some(state));
            assert_eq!(
                (state.status() == Status::Processing, state.status().is_settled()),
                (words.verb.is_some(), { matches!(state, State::Completed | State::Cancelled | State::Failed(_)) })
            );
        }
        for (status, verb, target, failure) in [
            (Status::Processing, None, None, None),
            (Status::Scheduled, None, None, None),
            (Status::Scheduled, None, Some(Status::Cancelled), None),
            (Status::Scheduled, Some(Verb::Hold), Some(Status::Pending), None),
            (Status::Pending, Some(Verb::Hold), None, None),
            (Status::Processing, Some(Verb::Hold), Some(Status::Completed), None),
            (Status::Processing, Some(Verb::Refund), Some(Status::Completed), None),
            (Status::Processing, Some(Verb::Capture), None, None),
            (Status::Processing, Some(Verb::Release), Some(Status::Pending), None),
            (Status::Completed, None, None, Some(Failure::NotHeld)),
        ] {
            let words = Words { status, verb, target, failure, amount: None };
            assert_eq!(State::of(words), None, "{words:?}");
        }
        let amount = Some("25".parse().unwrap());
        assert_eq!(State::of(Words { amount, ..State::Pending.words() }), None);
    }

    #[test]
    fn each_outcome_leads_to_one_state() {
        use StepOutcome::Applied;
        let after = |state: State, outcome| state.after(outcome, false).state;
        assert_eq!(after(State::Holding, Applied), State::Pending);
        assert_eq!(after(State::Holding, REFUSED), State::Failed(Some(Failure::InsufficientBalance)));
        assert_eq!(after(State::Transferring, Applied), State::Completed);
        assert_eq!(after(State::Transferring, REFUSED), State::Failed(Some(Failure::InsufficientBalance)));
        assert_eq!(after(State::Refunding, Applied), State::Completed);
        assert_eq!(after(State::Refunding, REFUSED), State::Failed(Some(Failure::InsufficientBalance)));
        assert_eq!(after(CAPTURING, Applied), State::Completed);
        assert_eq!(after(part("25", true), Applied), State::Completed);
        assert_eq!(after(part("25", false), Applied), State::Pending);
        assert_eq!(after(State::Releasing(GivenBack::Cancelled), Applied), State::Cancelled);
        assert_eq!(after(State::Releasing(GivenBack::Rest), Applied), State::Completed);
        assert_eq!(after(State::Releasing(GivenBack::Failed(None)), Applied), State::Failed(None));
        assert_eq!(after(State::Releasing(GivenBack::Cancelled), REFUSED), State::Completed);
        let accepting = ALL.into_iter().filter(|state| state.after(Applied, false).accepted);
        assert_eq!(accepting.collect::<Vec<_>>(), [State::Holding, State::Transferring, State::Refunding]);
    }

    #[test]
    fn a_refused_capture_gives_the_money_back() {
        let releasing = CAPTURING.after(REFUSED, false).state;
        assert_eq!(releasing, State::Releasing(GivenBack::Failed(Some(Failure::InsufficientBalance))));
        assert_eq!(
            releasing.after(StepOutcome::Applied, false).state,
            State::Failed(Some(Failure::InsufficientBalance))
        );
        let Next { state, reason, .. } = part("25", false).after(REFUSED, true);
        assert_eq!((state, reason), (State::Releasing(GivenBack::Rest), Some(Reason::Cancelled)));
    }

    #[test]
    fn what_is_settled_stays_so() {
        for state in ALL.into_iter().filter(|state| state.verb().is_none()) {
            for outcome in [StepOutcome::Applied, REFUSED] {
                assert_eq!(state.after(outcome, true), Next { state, accepted: false, reason: None });
            }
        }
    }
}
