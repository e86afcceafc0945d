//! The facts that become true with a transition of a transaction. Pure.

use common::{
    fact::{Fact, Kind, TransactionState},
    origin::Origin,
};

use super::{
    reason::Reason,
    state::{State, Status},
    step::Failure,
    transaction::Transaction,
};

/// What has happened to `row`, which was `before`; done by its actor, within the trace of `origin`. There is one fact
/// for each status that it takes, and none of what nobody sees: that user-service is asked, or was never reached, or knows no
/// such sender.
pub fn fact(before: Status, row: &Transaction, origin: &Origin) -> Option<Fact> {
    let (kind, name) = happening(row).filter(|_| row.status() != before)?;
    let fact = Fact::new(format!("transaction:{}:{name}", row.id), kind, &state(row), origin);
    Some(fact.by(row.actor.clone()))
}

/// What has happened to `row`, and how the fact's identity calls that.
fn happening(row: &Transaction) -> Option<(Kind, &'static str)> {
    match row.state {
        State::Pending => Some((Kind::TransactionCreated, "created")),
        State::Completed => Some((Kind::TransactionCompleted, "completed")),
        State::Cancelled => Some(match row.reason {
            Some(Reason::Expired) => (Kind::TransactionExpired, "expired"),
            Some(Reason::Declined) => (Kind::TransactionDeclined, "declined"),
            _ => (Kind::TransactionCancelled, "cancelled"),
        }),
        State::Failed(Some(Failure::UserNotFound | Failure::NotReached))
        | State::Holding
        | State::Transferring
        | State::Capturing
        | State::Releasing(_) => None,
        State::Failed(_) => Some((Kind::TransactionFailed, "failed")),
    }
}

fn state(row: &Transaction) -> TransactionState {
    TransactionState {
        id: row.id,
        sender_id: row.sender_id,
        receiver_id: row.receiver_id,
        amount: row.amount,
        description: row.description.clone(),
        status: <&str>::from(row.status()).to_owned(),
        status_reason: row.status_reason().map(|reason| reason.word().to_owned()),
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::{state::GivenBack, step::StepOutcome, transaction::tests::transaction, transition::Transition};

    const REFUSED: StepOutcome = StepOutcome::Refused { code: Failure::InsufficientBalance };

    /// What the outcome of a step makes known: the fact's name, and why the transaction ended.
    fn known(mut row: Transaction, outcome: StepOutcome) -> Option<(String, Option<String>)> {
        let (before, origin) = (row.status(), Origin::default());
        assert!(Transition::Outcome { step: row.step, outcome }.apply(&mut row, DateTime::UNIX_EPOCH, &origin));
        assert!(fact(row.status(), &row, &origin).is_none(), "nothing more has happened");
        let fact = fact(before, &row, &origin)?;
        let state: TransactionState = serde_json::from_str(fact.data.get()).unwrap();
        assert_eq!((state.id, state.status.as_str(), fact.actor), (row.id, row.status().into(), row.actor));
        Some((fact.id, state.status_reason))
    }

    fn named(name: &str, reason: Option<&str>) -> (String, Option<String>) {
        (format!("transaction:10:{name}"), reason.map(str::to_owned))
    }

    #[test]
    fn each_status_that_somebody_sees_is_one_fact() {
        let known = |state, outcome| known(transaction(state), outcome);
        let applied = StepOutcome::Applied;
        assert_eq!(known(State::Holding, applied), Some(named("created", None)));
        assert_eq!(known(State::Transferring, applied), Some(named("completed", Some("completed_at_once"))));
        assert_eq!(known(State::Holding, REFUSED), Some(named("failed", Some("insufficient_balance"))));
        assert_eq!(known(State::Capturing, REFUSED), None, "the money is on its way back");
        let no_sender = StepOutcome::Refused { code: Failure::UserNotFound };
        assert_eq!(known(State::Holding, no_sender), None, "there is nobody to tell it to");
    }

    #[test]
    fn one_fact_says_how_a_transaction_was_given_up() {
        for (reason, name, word) in [
            (Reason::CancelledBySender, "cancelled", "cancelled_by_sender"),
            (Reason::Declined, "declined", "declined"),
            (Reason::Expired, "expired", "expired"),
        ] {
            let row = Transaction { reason: Some(reason), ..transaction(State::Releasing(GivenBack::Cancelled)) };
            assert_eq!(known(row.clone(), StepOutcome::Applied), Some(named(name, Some(word))));
            assert_eq!(known(row, REFUSED), Some(named("completed", Some("already_captured"))));
        }
    }
}
