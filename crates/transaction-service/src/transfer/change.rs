//! Every change that a transaction can undergo, as a rule about its row. Pure: the row is locked while a rule looks at it,
//! so of two changes at once each sees what the other left.

use chrono::{DateTime, Utc};
use common::outbox::Event;

use super::{
    decision::Decision,
    machine::Next,
    model::{Status, Transaction, Verb},
};
use crate::clients::StepOutcome;

/// A change that somebody wants.
#[derive(Debug, Clone)]
pub enum Change {
    /// To decide about a pending transaction, to describe it anew, and to hide it.
    Decide { decision: Decision, description: Option<String>, hide: bool },
    /// To store the outcome of a step.
    Outcome { step: Verb, outcome: StepOutcome },
    /// To fail a new transaction whose first verb was certainly never sent, and to free its request.
    Unsent,
    /// To describe a pending transaction anew.
    Describe(String),
    /// To hide a settled transaction.
    Hide,
}

impl Change {
    /// Changes `row` and returns what its parties are told; `None` if its state does not allow the change.
    pub fn apply(&self, row: &mut Transaction, now: DateTime<Utc>, currency: &str) -> Option<Vec<Event>> {
        let events = match self {
            // only from pending: whoever comes second finds it processing
            Self::Decide { decision, description, hide } if is_pending(row) => {
                row.status = Status::Processing;
                row.step = Some(decision.verb());
                row.target = Some(decision.target());
                row.description = description.clone().unwrap_or_else(|| row.description.clone());
                row.hidden_at = hide.then_some(now);
                Vec::new()
            }
            // a step ends once: whoever asked for it too finds another step, or none
            Self::Outcome { step, outcome } if row.step == Some(*step) => {
                become_next(row, Next::of(row, *outcome), now, currency)
            }
            // the settler counts its attempts before it sends: none so far means that nobody else has sent the verb
            Self::Unsent if row.is_being_created() && row.settle_attempts == 0 => {
                row.request = format!("unsent {}", row.id);
                become_next(row, Next::unsent(), now, currency)
            }
            Self::Describe(text) if is_pending(row) => {
                row.description.clone_from(text);
                Vec::new()
            }
            Self::Hide if row.status.is_settled() && !row.is_hidden() => {
                row.hidden_at = Some(now);
                Vec::new()
            }
            _ => return None,
        };
        row.settle_attempts = 0;
        row.version += 1;
        row.updated_at = now;
        Some(events)
    }
}

fn become_next(row: &mut Transaction, next: Next, now: DateTime<Utc>, currency: &str) -> Vec<Event> {
    let events = next.events(row, currency);
    row.status = next.status;
    row.step = next.step;
    row.target = next.target;
    row.failure = next.failure;
    if next.accepted {
        row.accepted_at = Some(now);
    }
    events
}

fn is_pending(row: &Transaction) -> bool {
    row.status == Status::Pending && !row.is_hidden()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::{Failure, machine::tests::row};

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(100, 0).unwrap()
    }

    fn apply(change: &Change, row: &mut Transaction) -> bool {
        change.apply(row, now(), "IDR").is_some()
    }

    fn decide(decision: Decision) -> Change {
        Change::Decide { decision, description: None, hide: false }
    }

    #[test]
    fn only_the_first_decision_changes_a_pending_transaction() {
        let mut row = row(Verb::Hold, None);
        assert!(!apply(&decide(Decision::Complete), &mut row), "it is not pending yet");
        assert!(apply(&Change::Outcome { step: Verb::Hold, outcome: StepOutcome::Applied }, &mut row));
        assert!(apply(&decide(Decision::Cancel), &mut row));
        assert!(!apply(&decide(Decision::Complete), &mut row));
        assert_eq!((row.step, row.target, row.version), (Some(Verb::Release), Some(Status::Cancelled), 3));
    }

    #[test]
    fn the_outcome_of_a_step_is_stored_once() {
        let mut row = row(Verb::Hold, None);
        let applied = Change::Outcome { step: Verb::Hold, outcome: StepOutcome::Applied };
        assert!(apply(&applied, &mut row));
        assert_eq!((row.status, row.accepted_at), (Status::Pending, Some(now())));
        let refused = StepOutcome::Refused { code: Failure::InsufficientBalance };
        assert!(!apply(&applied, &mut row));
        assert!(!apply(&Change::Outcome { step: Verb::Hold, outcome: refused }, &mut row));
    }

    #[test]
    fn a_transaction_that_the_settler_or_a_decision_has_touched_is_not_failed_as_unsent() {
        let mut touched = row(Verb::Hold, None);
        touched.settle_attempts = 1;
        assert!(!apply(&Change::Unsent, &mut touched));
        let mut decided = row(Verb::Capture, Some(Status::Completed));
        assert!(!apply(&Change::Unsent, &mut decided));
        let mut fresh = row(Verb::Transfer, None);
        assert!(apply(&Change::Unsent, &mut fresh));
        assert_eq!(
            (fresh.status, fresh.failure, &*fresh.request),
            (Status::Failed, Some(Failure::NotReached), "unsent 10")
        );
    }

    #[test]
    fn only_a_settled_transaction_is_hidden_and_only_a_pending_one_described() {
        let mut row = row(Verb::Hold, None);
        assert!(!apply(&Change::Hide, &mut row) && !apply(&Change::Describe("x".into()), &mut row));
        apply(&Change::Outcome { step: Verb::Hold, outcome: StepOutcome::Applied }, &mut row);
        assert!(!apply(&Change::Hide, &mut row) && apply(&Change::Describe("x".into()), &mut row));
        apply(&decide(Decision::Complete), &mut row);
        apply(&Change::Outcome { step: Verb::Capture, outcome: StepOutcome::Applied }, &mut row);
        assert!(apply(&Change::Hide, &mut row) && !apply(&Change::Hide, &mut row));
        assert_eq!((row.description.as_str(), row.is_hidden()), ("x", true));
    }
}
