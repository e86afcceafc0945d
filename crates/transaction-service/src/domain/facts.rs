//! The facts that become true with a transition of a transaction. Pure.

use common::{
    fact::{Fact, Kind, ShareState, TransactionState},
    origin::Origin,
};
use money::Money;

use super::{
    reason::Reason,
    shares::Share,
    state::{State, Status},
    step::Failure,
    transaction::Transaction,
};

/// What has happened to `row`, which was `before`; done by its actor, within the trace of `origin`. There is one fact
/// for each status that it takes, and none of what nobody sees: that user-service is asked, or was never reached, or knows no
/// such sender.
pub fn fact(before: &Before, row: &Transaction, origin: &Origin) -> Option<Fact> {
    let (kind, name) = happening(row).filter(|_| row.status() != before.status)?;
    let id = match kind {
        Kind::TransactionPartiallyCaptured => format!("transaction:{}:{name}:{}", row.id, row.step),
        _ => format!("transaction:{}:{name}", row.id),
    };
    let fact = Fact::new(id, kind, &state(before, row), origin);
    Some(fact.by(row.actor.clone()))
}

/// That `row`, which is written with it, is to begin later.
pub fn scheduled(row: &Transaction, origin: &Origin) -> Fact {
    let id = format!("transaction:{}:scheduled", row.id);
    Fact::new(id, Kind::TransactionScheduled, &state(&Before::of(row), row), origin).by(row.actor.clone())
}

/// How a transaction stood before something happened to it.
#[derive(Debug, Clone)]
pub struct Before {
    status: Status,
    captured: Money,
    /// What is paid of each share.
    shares: Vec<Money>,
    /// True if the capture of an amount was to be carried out.
    is_capturing_amount: bool,
}

impl Before {
    /// As `row` stands.
    pub fn of(row: &Transaction) -> Self {
        let is_capturing_amount = row.state.capture().is_some_and(|capture| capture.amount.is_some());
        let shares = row.shares.iter().map(|share| share.captured).collect();
        Self { status: row.status(), captured: row.captured, shares, is_capturing_amount }
    }

    /// True if `row` is what the capture of an amount has made of this.
    pub fn has_captured_amount(&self, row: &Transaction) -> bool {
        self.is_capturing_amount && row.captured != self.captured
    }
}

/// What has happened to `row`, and how the fact's identity calls that.
fn happening(row: &Transaction) -> Option<(Kind, &'static str)> {
    match row.state {
        State::Pending if row.captured != Money::ZERO => {
            Some((Kind::TransactionPartiallyCaptured, "partially_captured"))
        }
        State::Pending => Some((Kind::TransactionCreated, "created")),
        State::Completed if row.refund_of.is_some() => Some((Kind::TransactionRefunded, "refunded")),
        State::Completed => Some((Kind::TransactionCompleted, "completed")),
        State::Cancelled => Some(match row.reason {
            Some(Reason::Expired) => (Kind::TransactionExpired, "expired"),
            Some(Reason::Declined) => (Kind::TransactionDeclined, "declined"),
            _ => (Kind::TransactionCancelled, "cancelled"),
        }),
        // its fact is written with it
        State::Scheduled { .. }
        | State::Failed(Some(Failure::UserNotFound | Failure::NotReached))
        | State::Holding
        | State::Transferring
        | State::Refunding
        | State::Capturing(_)
        | State::Releasing(_) => None,
        State::Failed(_) => Some((Kind::TransactionFailed, "failed")),
    }
}

fn state(before: &Before, row: &Transaction) -> TransactionState {
    // nothing and everything go without saying
    let is_in_parts =
        row.captured != Transaction::implied_captured(row.state, row.amount) || before.captured != Money::ZERO;
    TransactionState {
        id: row.id,
        sender_id: row.sender_id,
        receiver_id: row.receiver_id,
        amount: row.amount,
        description: row.description.clone(),
        labels: row.labels.clone(),
        status: <&str>::from(row.status()).to_owned(),
        status_reason: row.status_reason().map(|reason| reason.word().to_owned()),
        captured_amount: is_in_parts.then_some(row.captured),
        paid_amount: is_in_parts.then_some(row.captured - before.captured),
        shares: shares(before, row),
        refund_of: row.refund_of,
        batch_id: row.batch_id,
        // nothing was ever set aside for it
        refused_at_once: row.batch_id.is_some() && row.status() == Status::Failed && row.accepted_at.is_none(),
        execute_at: row.execute_at.filter(|_| row.accepted_at.is_none()),
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

fn shares(before: &Before, row: &Transaction) -> Vec<ShareState> {
    let state = |(share, had): (&Share, &Money)| ShareState {
        user_id: share.receiver_id,
        amount: share.amount,
        paid_amount: share.captured - *had,
    };
    row.shares.iter().zip(&before.shares).map(state).collect()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::{
        capture::Capture, state::GivenBack, step::StepOutcome, transaction::tests::transaction, transition::Transition,
    };

    const REFUSED: StepOutcome = StepOutcome::Refused { code: Failure::InsufficientBalance };

    /// What the outcome of a step makes known: the fact's name, and why the transaction ended.
    fn known(mut row: Transaction, outcome: StepOutcome) -> Option<(String, Option<String>)> {
        let (before, origin) = (Before::of(&row), Origin::default());
        assert!(Transition::Outcome { step: row.step, outcome }.apply(&mut row, DateTime::UNIX_EPOCH, &origin));
        assert!(fact(&Before::of(&row), &row, &origin).is_none(), "nothing more has happened");
        let fact = fact(&before, &row, &origin)?;
        let state: TransactionState = serde_json::from_str(fact.data.get()).unwrap();
        assert_eq!((state.id, state.status.as_str(), fact.actor), (row.id, row.status().into(), row.actor));
        Some((fact.id, state.status_reason))
    }

    fn named(name: &str, reason: Option<&str>) -> (String, Option<String>) {
        (format!("transaction:10:{name}"), reason.map(str::to_owned))
    }

    #[test]
    fn a_capture_in_parts_is_told_part_by_part_and_a_refund_as_what_it_is() {
        let capturing = |amount: i64, is_final| Transaction {
            step: 3,
            captured: 2_500.into(),
            ..transaction(State::Capturing(Capture { amount: Some(amount.to_string().parse().unwrap()), is_final }))
        };
        let told = |mut row: Transaction| {
            let (before, origin) = (Before::of(&row), Origin::default());
            let outcome = Transition::Outcome { step: row.step, outcome: StepOutcome::Applied };
            assert!(outcome.apply(&mut row, DateTime::UNIX_EPOCH, &origin));
            let fact = fact(&before, &row, &origin).unwrap();
            let state: TransactionState = serde_json::from_str(fact.data.get()).unwrap();
            (fact.id, fact.kind, state.captured_amount, state.paid_amount)
        };
        let money = |units: i64| Some(Money::from(units));
        let part = (
            "transaction:10:partially_captured:3".into(),
            Kind::TransactionPartiallyCaptured,
            money(3_000),
            money(500),
        );
        assert_eq!(told(capturing(500, false)), part);
        let last = ("transaction:10:completed".into(), Kind::TransactionCompleted, money(3_000), money(500));
        assert_eq!(told(capturing(500, true)), last);
        let rest = Transaction { captured: 2_500.into(), ..transaction(State::Releasing(GivenBack::Rest)) };
        let over = ("transaction:10:completed".into(), Kind::TransactionCompleted, money(2_500), money(0));
        assert_eq!(told(rest), over);
        let refund = Transaction { refund_of: Some(9.try_into().unwrap()), ..transaction(State::Refunding) };
        assert_eq!(told(refund), ("transaction:10:refunded".into(), Kind::TransactionRefunded, None, None));
    }

    #[test]
    fn each_status_that_somebody_sees_is_one_fact() {
        let known = |state, outcome| known(transaction(state), outcome);
        let applied = StepOutcome::Applied;
        assert_eq!(known(State::Holding, applied), Some(named("created", None)));
        assert_eq!(known(State::Transferring, applied), Some(named("completed", Some("completed_at_once"))));
        assert_eq!(known(State::Holding, REFUSED), Some(named("failed", Some("insufficient_balance"))));
        assert_eq!(known(State::Capturing(Capture::ALL), REFUSED), None, "the money is on its way back");
        let no_sender = StepOutcome::Refused { code: Failure::UserNotFound };
        assert_eq!(known(State::Holding, no_sender), None, "there is nobody to tell it to");
    }

    #[test]
    fn of_a_batch_only_what_was_never_set_aside_is_refused_at_once() {
        let is_at_once = |row: &Transaction| {
            let failed = Transaction { state: State::Failed(Some(Failure::InsufficientBalance)), ..row.clone() };
            let fact = fact(&Before::of(row), &failed, &Origin::default()).unwrap();
            serde_json::from_str::<TransactionState>(fact.data.get()).unwrap().refused_at_once
        };
        let alone = transaction(State::Holding);
        let item = Transaction { batch_id: Some(7.try_into().unwrap()), ..alone.clone() };
        let held = Transaction { accepted_at: DateTime::from_timestamp(1_800_000_000, 0), ..item.clone() };
        assert!(is_at_once(&item) && !is_at_once(&held) && !is_at_once(&alone));
    }

    #[test]
    fn what_is_scheduled_is_told_and_so_is_what_becomes_of_it_while_nothing_is_held() {
        let at = DateTime::from_timestamp(1_800_000_000, 0);
        let row = Transaction { execute_at: at, ..transaction(State::Scheduled { auto_complete: false }) };
        let data = |fact: &Fact| serde_json::from_str::<TransactionState>(fact.data.get()).unwrap();
        let told = scheduled(&row, &Origin::default());
        assert_eq!((told.id.as_str(), told.kind), ("transaction:10:scheduled", Kind::TransactionScheduled));
        assert_eq!((data(&told).status.as_str(), data(&told).execute_at), ("scheduled", at));
        let cancelled = Transaction { state: State::Cancelled, reason: Some(Reason::CancelledBySender), ..row.clone() };
        let told = fact(&Before::of(&row), &cancelled, &Origin::default()).unwrap();
        assert_eq!((told.kind, data(&told).execute_at), (Kind::TransactionCancelled, at));
        let begun = Transaction { state: State::Holding, ..row.clone() };
        assert!(fact(&Before::of(&row), &begun, &Origin::default()).is_none());
        let held = Transaction { state: State::Pending, accepted_at: at, ..row };
        let told = fact(&Before::of(&begun), &held, &Origin::default()).unwrap();
        assert_eq!((told.kind, data(&told).execute_at), (Kind::TransactionCreated, None));
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
