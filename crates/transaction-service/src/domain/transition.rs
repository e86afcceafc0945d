//! Every transition of a transaction, as a rule about its row. Pure: the row is locked while a rule looks at it, so of two
//! transitions at once each sees what the other left.

use chrono::{DateTime, Utc};
use common::origin::Origin;
use money::Money;

use super::{
    actor::Actor,
    decision::Ruling,
    reason::Reason,
    state::{Next, State},
    step::{Failure, StepOutcome},
    transaction::Transaction,
};

/// A step of the state machine that somebody asks for.
#[derive(Debug, Clone)]
pub enum Transition {
    /// To complete, cancel or fail a pending transaction, or cancel a scheduled one, with a new description, and to hide it.
    Decide(Ruling),
    /// To begin a scheduled transaction, whose time has come.
    Begin,
    /// To store the outcome of the step of this number.
    Outcome { step: u16, outcome: StepOutcome },
    /// To fail a new transaction whose first verb was certainly never sent, and to free its request.
    Unsent,
    /// To change the description of a pending or scheduled transaction.
    Describe(String),
    /// To hide a settled transaction: from a party, or from everybody.
    Hide(Actor),
}

impl Transition {
    /// Changes `row` by what `origin` asked for; false if its state does not allow the change.
    pub fn apply(&self, row: &mut Transaction, now: DateTime<Utc>, origin: &Origin) -> bool {
        let was_settled = row.status().is_settled();
        match self {
            // only from pending or scheduled: whoever comes second finds it processing
            Self::Decide(Ruling { decision, reason, description, hide, .. }) if is_undecided(row) => {
                let Some(state) = decision.state(row) else { return false };
                go_on(row, state);
                // committed with the decision: whoever carries it out after a crash knows why, and who wanted it
                row.reason = Some(if row.gives_rest_back() { reason.of_rest() } else { *reason });
                origin.actor().clone_into(&mut row.actor);
                row.description = description.clone().unwrap_or_else(|| row.description.clone());
                if let Some(actor) = hide {
                    hide_from(row, *actor, now);
                }
            }
            // its first step has the number 1, as that of one that begins at once
            Self::Begin => match row.state {
                State::Scheduled { auto_complete } => row.state = State::begun(auto_complete),
                _ => return false,
            },
            // a step ends once: whoever asked for it too finds another step, or none
            Self::Outcome { step, outcome } if row.state.verb().is_some() && row.step == *step => {
                let Next { state, accepted, reason } = row.state.after(*outcome, row.captured != Money::ZERO);
                if *outcome == StepOutcome::Applied {
                    row.pay_shares();
                    row.captured = row.captured_then();
                } else if reason == Some(Reason::AlreadyCaptured) {
                    row.captured = row.amount.money();
                    row.pay_shares_in_full();
                }
                go_on(row, state);
                row.reason = reason.or(row.reason);
                row.accepted_at = row.accepted_at.or(accepted.then_some(now));
            }
            // the settler counts its attempts before it sends: none so far means that nobody else has sent the verb
            Self::Unsent if row.is_being_created() && row.settle_attempts == 0 => {
                row.request = format!("unsent {}", row.id);
                // whoever is asked to come back has not failed
                hide_from(row, Actor::Service, now);
                row.state = State::Failed(Some(Failure::NotReached));
            }
            Self::Describe(text) if is_undecided(row) => row.description.clone_from(text),
            Self::Hide(actor) if row.status().is_settled() && !row.is_hidden_from(*actor) => {
                hide_from(row, *actor, now);
            }
            _ => return false,
        }
        // what is settled stays so: deleting it later is no other end
        row.settled_at = row.settled_at.or((!was_settled && row.status().is_settled()).then_some(now));
        row.settle_attempts = 0;
        row.version += 1;
        row.updated_at = now;
        true
    }
}

/// A request for a transition of one transaction.
#[derive(Debug, Clone)]
pub struct ChangeRequest {
    /// The transaction as the requester last read it.
    pub seen: Transaction,
    /// If that is a refund: the transaction that it is of. If the transition completes the refund, it is written there, too.
    pub refunded: Option<Transaction>,
    pub transition: Transition,
    /// Who asks for it, and within which request.
    pub origin: Origin,
}

/// What became of a change request.
#[derive(Debug, Clone)]
pub struct Changed {
    /// The transaction as it stands then; `None` if there is none.
    pub row: Option<Transaction>,
    /// True if this request changed it.
    pub won: bool,
}

/// Writes a refund that is completed down at the transaction that it is of.
pub fn refund(row: &mut Transaction, refund: &Transaction, now: DateTime<Utc>) {
    row.refunded = row.refunded + refund.amount.money();
    row.refund_shares(refund);
    row.version += 1;
    row.updated_at = now;
}

/// Hides `row` from the party that wants it, or from everybody if it is none.
fn hide_from(row: &mut Transaction, actor: Actor, now: DateTime<Utc>) {
    match actor {
        Actor::Sender => row.hidden_from_sender_at = Some(now),
        Actor::Receiver => row.hidden_from_receiver_at = Some(now),
        Actor::Sharer(user) => {
            if let Some(hidden_at) = row.hidden_from_sharer_at(user) {
                *hidden_at = Some(now);
            }
        }
        Actor::Service | Actor::Anyone => row.hidden_at = Some(now),
    }
}

/// Puts `row` into the next `state`; if user-service is to be asked for something there, that is one more step.
fn go_on(row: &mut Transaction, state: State) {
    row.state = state;
    row.step += u16::from(state.verb().is_some());
}

fn is_undecided(row: &Transaction) -> bool {
    (row.state == State::Pending || row.is_scheduled()) && !row.is_hidden()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        capture::Capture,
        decision::Decision,
        reason::StatusReason,
        state::{GivenBack, Status},
        transaction::tests::transaction,
    };

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(100, 0).unwrap()
    }

    fn apply(change: &Transition, row: &mut Transaction) -> bool {
        change.apply(row, now(), &Origin::default())
    }

    fn decide(decision: Decision) -> Transition {
        Transition::Decide(Ruling::by(Actor::Sender, decision))
    }

    #[test]
    fn only_the_first_decision_changes_a_pending_transaction() {
        let mut row = transaction(State::Holding);
        assert!(!apply(&decide(Decision::COMPLETE), &mut row), "it is not pending yet");
        assert!(apply(&Transition::Outcome { step: 1, outcome: StepOutcome::Applied }, &mut row));
        assert!(apply(&decide(Decision::Cancel), &mut row));
        assert!(!apply(&decide(Decision::COMPLETE), &mut row));
        assert_eq!((row.state, row.version), (State::Releasing(GivenBack::Cancelled), 3));
        assert_eq!((row.reason, row.status_reason()), (Some(Reason::CancelledBySender), None), "it has not ended yet");
    }

    #[test]
    fn the_reason_of_a_decision_stays_unless_it_could_not_be_carried_out() {
        let ended = |decision: Transition, outcomes: &[StepOutcome]| {
            let mut row = transaction(State::Holding);
            assert!(apply(&Transition::Outcome { step: 1, outcome: StepOutcome::Applied }, &mut row));
            assert!(apply(&decision, &mut row));
            for (step, outcome) in (2..).zip(outcomes) {
                assert!(apply(&Transition::Outcome { step, outcome: *outcome }, &mut row));
            }
            (row.status(), row.status_reason().unwrap())
        };
        let expiry = Transition::Decide(Ruling::expiry());
        let applied = StepOutcome::Applied;
        let refused = StepOutcome::Refused { code: Failure::ReceiverNotFound };
        assert_eq!(ended(expiry.clone(), &[applied]), (Status::Cancelled, StatusReason::Decided(Reason::Expired)));
        assert_eq!(ended(expiry, &[refused]), (Status::Completed, StatusReason::Decided(Reason::AlreadyCaptured)));
        assert_eq!(
            ended(decide(Decision::COMPLETE), &[refused, applied]),
            (Status::Failed, StatusReason::Refused(Failure::ReceiverNotFound))
        );
    }

    #[test]
    fn a_scheduled_transaction_is_cancelled_without_a_step_or_begins_with_its_first() {
        for (auto_complete, begun) in [(false, State::Holding), (true, State::Transferring)] {
            let scheduled = transaction(State::Scheduled { auto_complete });
            assert_eq!((scheduled.outstanding().is_none(), scheduled.status_reason()), (true, None));
            let mut row = scheduled.clone();
            for refused in [decide(Decision::COMPLETE), decide(Decision::Fail), capture(1, false), Transition::Unsent] {
                assert!(!apply(&refused, &mut row), "{refused:?}");
            }
            assert!(!Decision::COMPLETE.agrees_with(&row) && !Decision::Cancel.agrees_with(&row));
            assert!(apply(&Transition::Describe("x".into()), &mut row));
            assert!(apply(&decide(Decision::Cancel), &mut row) && !apply(&Transition::Begin, &mut row));
            let by_sender = Some(StatusReason::Decided(Reason::CancelledBySender));
            assert_eq!(
                (end(&row), row.step, row.outstanding().is_none()),
                ((Status::Cancelled, by_sender, Money::ZERO), 1, true)
            );
            let mut row = scheduled;
            assert!(apply(&Transition::Begin, &mut row) && !apply(&Transition::Begin, &mut row));
            assert_eq!((row.state, row.step), (begun, 1));
            assert!(!apply(&decide(Decision::Cancel), &mut row), "it has begun");
        }
        assert!(!apply(&Transition::Begin, &mut transaction(State::Pending)));
    }

    fn capture(amount: i64, is_final: bool) -> Transition {
        let amount = Some(amount.to_string().parse().unwrap());
        decide(Decision::Capture(Capture { amount, is_final }))
    }

    /// A pending transaction of 10,000 after these changes, each of which is applied.
    fn pending_after(changes: &[Transition]) -> Transaction {
        let mut row = transaction(State::Holding);
        assert!(apply(&Transition::Outcome { step: 1, outcome: StepOutcome::Applied }, &mut row));
        for change in changes {
            assert!(apply(change, &mut row));
            let outcome = Transition::Outcome { step: row.step, outcome: StepOutcome::Applied };
            assert!(apply(&outcome, &mut row));
        }
        row
    }

    fn end(row: &Transaction) -> (Status, Option<StatusReason>, Money) {
        (row.status(), row.status_reason(), row.captured)
    }

    #[test]
    fn a_transaction_is_captured_in_parts_until_the_last() {
        let mut row = pending_after(&[capture(2_500, false), capture(500, false)]);
        assert_eq!(end(&row), (Status::Pending, None, 3_000.into()));
        assert!(!apply(&capture(7_001, true), &mut row), "that is more than is left");
        assert!(!apply(&decide(Decision::Fail), &mut row), "it has been paid in part");
        let by_sender = Some(StatusReason::Decided(Reason::CompletedBySender));
        for last in [capture(7_000, false), decide(Decision::COMPLETE)] {
            let row = pending_after(&[capture(2_500, false), capture(500, false), last]);
            assert_eq!(end(&row), (Status::Completed, by_sender, 10_000.into()));
        }
        assert_eq!(end(&pending_after(&[capture(6_000, true)])), (Status::Completed, by_sender, 6_000.into()));
    }

    #[test]
    fn what_is_left_after_a_capture_goes_back_and_what_was_captured_stays_paid() {
        for (given_up, reason) in
            [(decide(Decision::Cancel), Reason::Cancelled), (Transition::Decide(Ruling::expiry()), Reason::Expired)]
        {
            let row = pending_after(&[capture(2_500, false), given_up]);
            assert_eq!(end(&row), (Status::Completed, Some(StatusReason::Decided(reason)), 2_500.into()));
        }
        let mut row = pending_after(&[capture(2_500, false)]);
        assert!(apply(&capture(500, false), &mut row));
        let outcome = StepOutcome::Refused { code: Failure::ReceiverUnavailable };
        assert!(apply(&Transition::Outcome { step: 3, outcome }, &mut row));
        assert_eq!(row.state, State::Releasing(GivenBack::Rest));
        assert!(apply(&Transition::Outcome { step: 4, outcome: StepOutcome::Applied }, &mut row));
        assert_eq!(end(&row), (Status::Completed, Some(StatusReason::Decided(Reason::Cancelled)), 2_500.into()));
    }

    #[test]
    fn a_decision_agrees_with_what_it_has_made_of_a_transaction() {
        let amount = |units: i64| Some(units.to_string().parse().unwrap());
        let complete = |amount| Decision::Capture(Capture { amount, is_final: true });
        let part = pending_after(&[capture(2_500, true)]);
        assert!(complete(amount(2_500)).has_made(&part, Money::ZERO) && complete(None).agrees_with(&part));
        assert!(!complete(amount(2_500)).agrees_with(&part), "an amount is only known from what was captured before");
        assert!(!complete(amount(2_600)).has_made(&part, Money::ZERO) && !Decision::Cancel.agrees_with(&part));
        assert!(complete(amount(1_500)).has_made(&part, 1_000.into()));
        let rest = pending_after(&[capture(2_500, false), decide(Decision::Cancel)]);
        assert!(Decision::Cancel.agrees_with(&rest) && !complete(None).agrees_with(&rest));
        let mut on_its_way = pending_after(&[]);
        apply(&capture(2_500, true), &mut on_its_way);
        assert!(complete(amount(2_500)).agrees_with(&on_its_way) && !complete(amount(1)).agrees_with(&on_its_way));
    }

    #[test]
    fn a_party_hides_a_transaction_from_itself_alone() {
        let mut row = transaction(State::Transferring);
        apply(&Transition::Outcome { step: 1, outcome: StepOutcome::Applied }, &mut row);
        assert!(
            apply(&Transition::Hide(Actor::Receiver), &mut row) && !apply(&Transition::Hide(Actor::Receiver), &mut row)
        );
        assert!(row.is_hidden_from(Actor::Receiver));
        assert!(!row.is_hidden_from(Actor::Sender) && !row.is_hidden_from(Actor::Service));
        assert!(apply(&Transition::Hide(Actor::Service), &mut row));
        assert!(row.is_hidden_from(Actor::Sender) && row.is_hidden_from(Actor::Anyone));
    }

    #[test]
    fn the_outcome_of_a_step_is_stored_once() {
        let mut row = transaction(State::Holding);
        let applied = Transition::Outcome { step: 1, outcome: StepOutcome::Applied };
        assert!(apply(&applied, &mut row));
        assert_eq!((row.state, row.accepted_at), (State::Pending, Some(now())));
        let refused = StepOutcome::Refused { code: Failure::InsufficientBalance };
        assert!(!apply(&applied, &mut row));
        assert!(!apply(&Transition::Outcome { step: 1, outcome: refused }, &mut row));
    }

    #[test]
    fn a_transaction_that_the_settler_or_a_decision_has_touched_is_not_failed_as_unsent() {
        let mut touched = transaction(State::Holding);
        touched.settle_attempts = 1;
        assert!(!apply(&Transition::Unsent, &mut touched));
        let mut decided = transaction(State::Capturing(Capture::ALL));
        assert!(!apply(&Transition::Unsent, &mut decided));
        let mut fresh = transaction(State::Transferring);
        assert!(apply(&Transition::Unsent, &mut fresh));
        assert_eq!((fresh.state, &*fresh.request), (State::Failed(Some(Failure::NotReached)), "unsent 10"));
        assert!(fresh.is_hidden() && fresh.parties().is_empty(), "nobody sees it");
    }

    #[test]
    fn when_a_transaction_ended_is_written_down_once() {
        let mut row = transaction(State::Transferring);
        assert_eq!(row.settled_at, None);
        assert!(apply(&Transition::Outcome { step: 1, outcome: StepOutcome::Applied }, &mut row));
        assert_eq!(row.settled_at, Some(now()));
        let later = DateTime::from_timestamp(200, 0).unwrap();
        assert!(Transition::Hide(Actor::Sender).apply(&mut row, later, &Origin::default()));
        assert_eq!((row.settled_at, row.updated_at), (Some(now()), later));
        row.settled_at = None; // as of one that ended before it was written down
        assert!(Transition::Hide(Actor::Receiver).apply(&mut row, later, &Origin::default()));
        assert_eq!(row.settled_at, None);
    }

    #[test]
    fn only_a_settled_transaction_is_hidden_and_only_a_pending_one_described() {
        let mut row = transaction(State::Holding);
        assert!(
            !apply(&Transition::Hide(Actor::Anyone), &mut row) && !apply(&Transition::Describe("x".into()), &mut row)
        );
        apply(&Transition::Outcome { step: 1, outcome: StepOutcome::Applied }, &mut row);
        assert!(
            !apply(&Transition::Hide(Actor::Anyone), &mut row) && apply(&Transition::Describe("x".into()), &mut row)
        );
        apply(&decide(Decision::COMPLETE), &mut row);
        apply(&Transition::Outcome { step: 2, outcome: StepOutcome::Applied }, &mut row);
        assert!(
            apply(&Transition::Hide(Actor::Anyone), &mut row) && !apply(&Transition::Hide(Actor::Anyone), &mut row)
        );
        assert_eq!((row.description.as_str(), row.is_hidden()), ("x", true));
    }
}
