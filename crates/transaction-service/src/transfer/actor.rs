//! Who acts on a transaction, and why a transaction ended.

use common::{UserId, caller::Caller};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    decision::Decision,
    model::{Failure, Status, Transaction},
};

/// Who acts on a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// The user who pays.
    Sender,
    /// The user who is paid.
    Receiver,
    /// A service.
    Service,
    /// A caller without a token, in development.
    Anyone,
}

impl Actor {
    /// What `caller` is to `row`. Users must be one of its parties.
    pub fn of(caller: Caller, row: &Transaction) -> Self {
        match caller {
            Caller::User(user) if user == row.sender_id => Self::Sender,
            Caller::User(_) => Self::Receiver,
            Caller::Service => Self::Service,
            Caller::Anyone => Self::Anyone,
        }
    }

    /// The receiver may decline, and nothing else.
    pub fn may(self, decision: Decision) -> bool {
        self != Self::Receiver || decision == Decision::Cancel
    }
}

/// Why a transaction ended, where somebody or something decided it.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    JsonSchema,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Reason {
    /// It was created with `auto_complete`.
    CompletedAtOnce,
    /// The sender completed it.
    CompletedBySender,
    /// A service completed it.
    CompletedByService,
    /// Somebody without a token completed it, in development.
    CompletedByAnyone,
    /// The sender cancelled it.
    CancelledBySender,
    /// A service cancelled it.
    CancelledByService,
    /// Somebody without a token cancelled it, in development.
    CancelledByAnyone,
    /// The sender let it fail.
    FailedBySender,
    /// A service let it fail.
    FailedByService,
    /// Somebody without a token let it fail, in development.
    FailedByAnyone,
    /// The receiver declined it.
    Declined,
    /// Nobody decided in time.
    Expired,
    /// The money was to go back, and the receiver had it already.
    AlreadyCaptured,
}

common::stored_as_text!(Reason);

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

/// Why a transaction ended: a decision, or what kept it from being carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum StatusReason {
    /// Somebody or something decided it.
    Decided(Reason),
    /// It was refused.
    Refused(Failure),
}

/// What of a transaction is whose.
impl Transaction {
    /// Why it ended; `None` before. Most complete at once, which nobody decides: they keep no reason.
    pub fn status_reason(&self) -> Option<StatusReason> {
        if !self.status.is_settled() {
            return None;
        }
        let at_once = (self.status == Status::Completed).then_some(Reason::CompletedAtOnce);
        self.failure.map(StatusReason::Refused).or(self.reason.or(at_once).map(StatusReason::Decided))
    }

    /// True if it is one of the sender's transactions. Who does not exist has none, and neither has an account that gets the
    /// number later; one that user-service never heard of is nobody's.
    pub fn is_senders(&self) -> bool {
        self.accepted_at.is_some() || !matches!(self.failure, Some(Failure::UserNotFound | Failure::NotReached))
    }

    /// True if it is one of the receiver's transactions: from when money was held for it. Anybody can ask for a payment that
    /// fails, with any description.
    pub fn is_receivers(&self) -> bool {
        self.accepted_at.is_some()
    }

    /// True if it counts in the receiver's totals: as long as it is open that is so, too, since a total says what was so at a
    /// moment, and whether money was held at that moment can only be told of those that never held any.
    pub fn counts_for_receiver(&self) -> bool {
        self.is_receivers() || self.status != Status::Failed
    }

    /// The users whose transaction it is.
    pub fn parties(&self) -> Vec<UserId> {
        let parties = [(self.is_senders(), self.sender_id), (self.is_receivers(), self.receiver_id)];
        parties.into_iter().filter_map(|(is_party, user)| is_party.then_some(user)).collect()
    }

    /// True once it was deleted for `actor`.
    pub fn is_hidden_from(&self, actor: Actor) -> bool {
        self.is_hidden()
            || match actor {
                Actor::Sender => self.hidden_from_sender_at.is_some(),
                Actor::Receiver => self.hidden_from_receiver_at.is_some(),
                Actor::Service | Actor::Anyone => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use strum::VariantNames;

    use super::*;

    #[test]
    fn the_page_of_transactions_has_every_reason_and_no_other() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/transactions.md");
        let page = fs::read_to_string(page).unwrap();
        let section = page.split("## Why it ended").nth(1).unwrap().split("\n## ").next().unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let mut explained: Vec<&str> = rows.collect();
        let mut reasons = [Reason::VARIANTS, Failure::VARIANTS].concat();
        reasons.retain(|word| *word != "not_reached"); // nobody sees it
        explained.sort_unstable();
        reasons.sort_unstable();
        assert_eq!(explained, reasons);
    }

    #[test]
    fn a_receiver_may_decline_and_nothing_else() {
        let all = [Decision::Complete, Decision::Fail, Decision::Cancel];
        assert_eq!(all.map(|decision| Actor::Receiver.may(decision)), [false, false, true]);
        assert!(all.iter().all(|decision| Actor::Sender.may(*decision)));
    }
}
