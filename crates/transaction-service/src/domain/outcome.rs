//! The state machine: what an outcome makes of a transaction, and what its parties are told. Pure.

use common::outbox::Event;
use money::{Money, UserId};

use super::{
    reason::Reason,
    step::{Failure, StepOutcome, Verb},
    transaction::{Status, Transaction},
};

/// What a transaction becomes when the outcome of its step is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// The status that it takes.
    pub status: Status,
    /// The next verb, if one more is needed.
    pub step: Option<Verb>,
    /// What that verb leads to.
    pub target: Option<Status>,
    /// Why it failed, if it does.
    pub failure: Option<Failure>,
    /// Why somebody or something decided so, if it did.
    pub reason: Option<Reason>,
    /// True if the money was set aside or moved by this step.
    pub accepted: bool,
}

impl Next {
    /// What `outcome` makes of `row`.
    pub fn of(row: &Transaction, outcome: StepOutcome) -> Self {
        let reason = row.reason;
        let settled = |status, failure| Self { status, step: None, target: None, failure, reason, accepted: false };
        match (row.step, outcome) {
            (Some(Verb::Hold), StepOutcome::Applied) => Self { accepted: true, ..settled(Status::Pending, None) },
            (Some(Verb::Transfer), StepOutcome::Applied) => Self { accepted: true, ..settled(Status::Completed, None) },
            (Some(Verb::Hold | Verb::Transfer), StepOutcome::Refused { code }) => settled(Status::Failed, Some(code)),
            (Some(Verb::Capture), StepOutcome::Applied) => settled(Status::Completed, None),
            // A release is only ever refused after a capture: then the receiver has the money.
            (Some(Verb::Release), StepOutcome::Refused { .. }) => {
                Self { reason: Some(Reason::AlreadyCaptured), ..settled(Status::Completed, None) }
            }
            // What cannot be paid out goes back to the sender.
            (Some(Verb::Capture), StepOutcome::Refused { code }) => Self {
                status: Status::Processing,
                step: Some(Verb::Release),
                target: Some(Status::Failed),
                failure: Some(code),
                reason,
                accepted: false,
            },
            (Some(Verb::Release), StepOutcome::Applied) => {
                settled(row.target.unwrap_or(Status::Cancelled), row.failure)
            }
            (None, _) => settled(row.status, row.failure),
        }
    }

    /// What a transaction becomes whose first verb was certainly never sent.
    pub fn unsent() -> Self {
        let (status, failure) = (Status::Failed, Some(Failure::NotReached));
        Self { status, step: None, target: None, failure, reason: None, accepted: false }
    }

    /// What the parties are told of it: always what really happened.
    pub fn events(self, row: &Transaction, currency: &str) -> Vec<Event> {
        let amount = Money::from(row.amount).display(currency);
        // whoever decides about it, the sender has made it: all that is told of it counts as the sender's doing
        let event = |what: &str, user_id: UserId, message: String| {
            Event::new(format!("transaction:{}:{what}", row.id), user_id, message).by(row.sender_id)
        };
        let to_sender = |what: &str, message: String| vec![event(what, row.sender_id, message)];
        match (self.status, self.failure) {
            // nothing to tell yet, or nobody to tell it to
            (Status::Processing, _) | (Status::Failed, Some(Failure::UserNotFound | Failure::NotReached)) => Vec::new(),
            (Status::Pending, _) => to_sender("pending", format!("Transaction of {amount} pending approval.")),
            (Status::Completed, _) => vec![
                event("sent", row.sender_id, format!("Your payment of {amount} has been successfully processed.")),
                event("received", row.receiver_id, format!("You have received {amount}.")),
            ],
            (Status::Cancelled, _) => {
                let what = match self.reason {
                    Some(Reason::Expired) => "expired",
                    Some(Reason::Declined) => "was declined by the receiver",
                    _ => "cancelled",
                };
                to_sender("cancelled", format!("Transaction of {amount} {what}. The money is back in your balance."))
            }
            (Status::Failed, None) => {
                to_sender("failed", format!("Transaction of {amount} failed. The money is back in your balance."))
            }
            (Status::Failed, Some(failure)) => {
                let reason = match failure {
                    Failure::InsufficientBalance => "your balance is too low",
                    Failure::ReceiverNotFound => "the receiver does not exist",
                    Failure::ReceiverUnavailable => "the receiver cannot be paid at the moment",
                    _ => "it could not be carried out",
                };
                to_sender("failed", format!("Transaction of {amount} failed: {reason}."))
            }
        }
    }
}

#[cfg(test)]
pub mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::intent::{Intent, NewTransaction, Request};

    /// A transaction of 10,000 from user 1 to user 2 whose `step` is outstanding.
    pub fn row(step: Verb, target: Option<Status>) -> Transaction {
        let intent = Intent {
            new: NewTransaction {
                sender_id: UserId::try_from(1).unwrap(),
                receiver_id: UserId::try_from(2).unwrap(),
                amount: "10000".parse().unwrap(),
                description: String::new(),
                auto_complete: false,
            },
            request: Request { identity: "once".into(), fingerprint: Vec::new() },
            now: DateTime::from_timestamp(0, 0).unwrap(),
        };
        Transaction { step: Some(step), target, ..intent.transaction(10.try_into().unwrap()) }
    }

    fn next(step: Verb, target: Option<Status>, outcome: StepOutcome) -> (Status, Option<Verb>) {
        let next = Next::of(&row(step, target), outcome);
        (next.status, next.step)
    }

    const REFUSED: StepOutcome = StepOutcome::Refused { code: Failure::InsufficientBalance };

    #[test]
    fn each_outcome_leads_to_one_state() {
        use StepOutcome::Applied;
        assert_eq!(next(Verb::Hold, None, Applied), (Status::Pending, None));
        assert_eq!(next(Verb::Hold, None, REFUSED), (Status::Failed, None));
        assert_eq!(next(Verb::Transfer, None, Applied), (Status::Completed, None));
        assert_eq!(next(Verb::Transfer, None, REFUSED), (Status::Failed, None));
        assert_eq!(next(Verb::Capture, Some(Status::Completed), Applied), (Status::Completed, None));
        assert_eq!(next(Verb::Release, Some(Status::Cancelled), Applied), (Status::Cancelled, None));
        assert_eq!(next(Verb::Release, Some(Status::Failed), Applied), (Status::Failed, None));
    }

    #[test]
    fn a_refused_capture_gives_the_money_back() {
        assert_eq!(next(Verb::Capture, Some(Status::Completed), REFUSED), (Status::Processing, Some(Verb::Release)));
    }

    #[test]
    fn the_parties_are_told_what_happened() {
        let told = |step, target, outcome| {
            let row = row(step, target);
            let events = Next::of(&row, outcome).events(&row, "IDR");
            assert!(events.iter().all(|e| e.actor == Some(row.sender_id)), "it is the sender's doing");
            events.into_iter().map(|e| (e.user_id.get(), e.message)).collect::<Vec<_>>()
        };
        assert_eq!(
            told(Verb::Hold, None, StepOutcome::Applied),
            [(1, "Transaction of Rp 10,000 pending approval.".to_owned())]
        );
        assert_eq!(
            told(Verb::Capture, Some(Status::Completed), StepOutcome::Applied),
            [
                (1, "Your payment of Rp 10,000 has been successfully processed.".to_owned()),
                (2, "You have received Rp 10,000.".to_owned())
            ]
        );
        assert_eq!(
            told(Verb::Hold, None, REFUSED),
            [(1, "Transaction of Rp 10,000 failed: your balance is too low.".to_owned())]
        );
        assert_eq!(told(Verb::Capture, Some(Status::Completed), REFUSED), []);
    }
}
