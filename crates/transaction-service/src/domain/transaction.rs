//! A transaction.

use chrono::{DateTime, Utc};
use common::labels::Labels;
use money::{Amount, BatchId, Money, ScheduleId, TransactionId, UserId};

use super::{
    reason::{Reason, StatusReason},
    shares::Share,
    state::{GivenBack, State, Status},
    step::{Failure, Step, Verb},
};

/// A transaction as it stands.
#[derive(Debug, Clone)]
pub struct Transaction {
    pub id: TransactionId,
    pub sender_id: UserId,
    pub receiver_id: UserId,
    pub amount: Amount,
    pub description: String,
    /// What its creator wrote on it.
    pub labels: Labels,
    pub state: State,
    /// The number of its last step, the outstanding one included.
    pub step: u16,
    /// What the receiver has got.
    pub captured: Money,
    /// What the sender has got back of that.
    pub refunded: Money,
    /// Of a refund: the transaction whose money goes back.
    pub refund_of: Option<TransactionId>,
    /// The batch that it was made with, if it was.
    pub batch_id: Option<BatchId>,
    /// When it was to begin, if that was not at once.
    pub execute_at: Option<DateTime<Utc>>,
    /// The schedule of which it is a run.
    pub schedule_id: Option<ScheduleId>,
    /// If several are paid, or pay a refund: what became of each one's share, the receiver's, or the sender's of the refund, first.
    pub shares: Vec<Share>,
    /// When user-service had set the money aside.
    pub accepted_at: Option<DateTime<Utc>>,
    /// When it ended; not known of those that ended before this was written down.
    pub settled_at: Option<DateTime<Utc>>,
    /// When it was deleted for everybody.
    pub hidden_at: Option<DateTime<Utc>>,
    /// When its sender deleted it.
    pub hidden_from_sender_at: Option<DateTime<Utc>>,
    /// When its receiver deleted it.
    pub hidden_from_receiver_at: Option<DateTime<Utc>>,
    /// Why somebody or something decided as it did; written with the decision.
    pub reason: Option<Reason>,
    /// Who decided, or made it if nobody has; as logs name callers, and `system` for the wallet itself.
    pub actor: String,
    /// How often the settler has asked for the outstanding verb.
    pub settle_attempts: i32,
    /// The identity of the request that created it.
    pub request: String,
    pub fingerprint: Vec<u8>,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
}

impl Transaction {
    /// The word for where it stands.
    pub fn status(&self) -> Status {
        self.state.status()
    }

    /// The step to ask user-service for, if one is outstanding.
    pub fn outstanding(&self) -> Option<Step> {
        let Self { id: transaction_id, sender_id, receiver_id, amount, step, .. } = *self;
        Some(match self.state.verb()? {
            Verb::Hold => self.first_step(false),
            Verb::Transfer => self.first_step(true),
            Verb::Capture => {
                let capture = self.state.capture()?;
                let taken = capture.taken_of(self.left());
                let amount = Amount::try_from(taken).ok()?;
                // all that is left leaves nothing to give back
                let is_final = capture.is_final && capture.amount.is_some_and(|amount| amount.money() < self.left());
                let (by_operator, shares) = (self.is_by_operator(), self.captured_shares(taken));
                Step::Capture { transaction_id, step, sender_id, receiver_id, amount, is_final, by_operator, shares }
            }
            Verb::Release => {
                let receivers = self.shares.iter().map(|share| share.receiver_id).collect();
                Step::Release { transaction_id, step, sender_id, receiver_id, receivers }
            }
            Verb::Refund => {
                let refund_of = self.refund_of?;
                let (by_operator, shares) = (self.is_by_operator(), self.whole_shares());
                Step::Refund { transaction_id, refund_of, sender_id, receiver_id, amount, by_operator, shares }
            }
        })
    }

    /// The step by which it began, if that was no refund.
    pub fn first_step(&self, is_transfer: bool) -> Step {
        let Self { id: transaction_id, sender_id, receiver_id, amount, .. } = *self;
        let shares = self.whole_shares();
        if is_transfer {
            Step::Transfer { transaction_id, sender_id, receiver_id, amount, shares }
        } else {
            Step::Hold { transaction_id, sender_id, receiver_id, amount, shares }
        }
    }

    /// True if no user decided what is outstanding: a service does what an operator may.
    fn is_by_operator(&self) -> bool {
        !self.actor.starts_with("user:")
    }

    /// What the receiver has not got; it is set aside as long as the transaction is pending.
    pub fn left(&self) -> Money {
        self.amount.money() - self.captured
    }

    /// What the receiver has got once the outstanding step takes effect.
    pub fn captured_then(&self) -> Money {
        match self.state {
            State::Transferring | State::Refunding => self.amount.money(),
            State::Capturing(capture) => self.captured + capture.taken_of(self.left()),
            _ => self.captured,
        }
    }

    /// What a transaction in such a state has paid, if nothing else is written down.
    pub fn implied_captured(state: State, amount: Amount) -> Money {
        if state == State::Completed { amount.money() } else { Money::ZERO }
    }

    /// True if what is left after a capture goes back to the sender, or has gone.
    pub fn gives_rest_back(&self) -> bool {
        match self.state {
            State::Releasing(GivenBack::Rest) => true,
            State::Completed => matches!(self.reason, Some(Reason::Cancelled | Reason::Expired)),
            _ => false,
        }
    }

    /// Why it ended; `None` before. Most complete at once, which nobody decides: they keep no reason.
    pub fn status_reason(&self) -> Option<StatusReason> {
        if !self.status().is_settled() {
            return None;
        }
        let at_once = (self.state == State::Completed).then_some(Reason::CompletedAtOnce);
        self.state.failure().map(StatusReason::Refused).or(self.reason.or(at_once).map(StatusReason::Decided))
    }

    /// True once it was deleted for everybody.
    pub fn is_hidden(&self) -> bool {
        self.hidden_at.is_some()
    }

    /// True until its time has come: nothing was asked for yet.
    pub fn is_scheduled(&self) -> bool {
        matches!(self.state, State::Scheduled { .. })
    }

    /// True while it is not known whether the money could be set aside at all.
    pub fn is_being_created(&self) -> bool {
        matches!(self.state, State::Holding | State::Transferring | State::Refunding)
    }

    /// True if it was given up because its first verb was certainly not sent.
    pub fn was_never_sent(&self) -> bool {
        self.state == State::Failed(Some(Failure::NotReached))
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::domain::intent::{Intent, NewTransaction, Request};

    /// A transaction of 10,000 from user 1 to user 2.
    pub fn new() -> NewTransaction {
        NewTransaction {
            sender_id: 1.try_into().unwrap(),
            receiver_id: 2.try_into().unwrap(),
            amount: "10000".parse().unwrap(),
            description: String::new(),
            labels: Labels::default(),
            auto_complete: false,
            refund_of: None,
            batch_id: None,
            execute_at: None,
            schedule_id: None,
            shares: Vec::new(),
        }
    }

    /// That payment in this state.
    pub fn transaction(state: State) -> Transaction {
        let intent = Intent {
            new: new(),
            request: Request { identity: "once".into(), fingerprint: Vec::new() },
            actor: "user:1".into(),
            now: DateTime::UNIX_EPOCH,
        };
        Transaction { state, ..intent.transaction(10.try_into().unwrap()) }
    }
}
