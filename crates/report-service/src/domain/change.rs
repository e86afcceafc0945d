//! Transactions as transaction-service tells them.

use chrono::{DateTime, Utc};
use money::{Amount, Money, TransactionId, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a transaction stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::EnumString, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Status {
    /// Its time has not come; it is in no total.
    Scheduled,
    Processing,
    Pending,
    Completed,
    Failed,
    Cancelled,
    /// One that this version does not know.
    #[serde(other)]
    Other,
}

mysql::stored_as_text!(Status, else Other);

impl Status {
    /// True while the transaction may still change its status.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Scheduled | Self::Processing | Self::Pending | Self::Other)
    }
}

/// A transaction as the feed tells it.
#[derive(Debug, Clone, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "a flat body, of which each is a fact of its own")]
pub struct Change {
    pub id: TransactionId,
    pub sender_id: UserId,
    pub receiver_id: UserId,
    #[serde(deserialize_with = "Amount::worked_out")]
    pub amount: Amount,
    pub status: Status,
    /// Rises with every change.
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
    /// True once it was deleted for everybody.
    pub hidden: bool,
    /// True if it is one of the sender's transactions.
    pub counts_for_sender: bool,
    /// True if it is one of the receiver's transactions.
    pub counts_for_receiver: bool,
    /// True once its sender has deleted it.
    #[serde(default)]
    pub hidden_from_sender: bool,
    /// True once its receiver has deleted it.
    #[serde(default)]
    pub hidden_from_receiver: bool,
    /// What the receiver has got of it; a version that does not say so knows all or nothing.
    #[serde(default)]
    pub captured_amount: Option<Money>,
    /// What has gone back of that.
    #[serde(default)]
    pub refunded_amount: Option<Money>,
    /// If several are paid, or pay a refund: what of it is each one's.
    #[serde(default)]
    pub shares: Vec<ShareChange>,
    /// Of a refund: the transaction whose money goes back.
    #[serde(default)]
    pub refund_of: Option<TransactionId>,
    /// When it was to begin, if that was not at once: before, it counts in no total.
    #[serde(default)]
    pub execute_at: Option<DateTime<Utc>>,
    /// When it was settled, if it is and that is known.
    #[serde(default)]
    pub settled_at: Option<DateTime<Utc>>,
    /// What was written on it.
    #[serde(default)]
    pub description: Option<String>,
    /// What its caller calls it.
    #[serde(default)]
    pub reference: Option<String>,
}

/// What of a transaction is one receiver's; of a refund, what one of those pays who were paid.
#[derive(Debug, Clone, Deserialize)]
pub struct ShareChange {
    pub user_id: UserId,
    pub amount: Money,
    /// What of that is paid.
    pub captured_amount: Money,
    /// True once the user has deleted the transaction.
    pub hidden: bool,
}

/// What a transaction is to one of its parties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartyView {
    /// True if it is one of the user's transactions.
    pub counts: bool,
    /// True once the user has deleted it.
    pub hidden: bool,
}

impl Change {
    /// What the receiver has got.
    pub fn captured(&self) -> Money {
        self.captured_amount.unwrap_or(implied_captured(self.status, self.amount))
    }

    /// When it was settled; if that was not written down, a moment by which it was.
    pub fn ended_at(&self) -> Option<DateTime<Utc>> {
        (!self.status.is_open()).then(|| self.settled_at.unwrap_or(self.changed_at))
    }

    /// True if money of it has moved more than once: how it stood before its last change is not known.
    pub fn has_moved_in_parts(&self) -> bool {
        let captured = self.captured();
        let is_whole = captured == Money::ZERO || captured == self.amount.money();
        !is_whole || self.refunded_amount.is_some_and(|refunded| refunded != Money::ZERO)
    }

    /// What it is to `user`, if that is a party to it.
    pub fn view_of(&self, user: UserId) -> Option<PartyView> {
        if let Some(share) = self.shares.iter().find(|share| share.user_id == user) {
            return Some(PartyView { counts: self.counts_for_share(share), hidden: share.hidden });
        }
        if user == self.sender_id {
            Some(PartyView { counts: self.counts_for_sender, hidden: self.hidden_from_sender })
        } else if user == self.receiver_id {
            Some(PartyView { counts: self.counts_for_receiver, hidden: self.hidden_from_receiver })
        } else {
            None
        }
    }

    /// True if it is one of the transactions of whose share that is: nobody has a refund of which it pays nothing.
    pub fn counts_for_share(&self, share: &ShareChange) -> bool {
        let counts = if self.refund_of.is_some() { self.counts_for_sender } else { self.counts_for_receiver };
        counts && share.amount != Money::ZERO
    }

    /// True once somebody has deleted it, which is a change too.
    pub fn is_deleted(&self) -> bool {
        self.hidden
            || self.shares.iter().any(|share| share.hidden)
            || self.hidden_from_sender
            || self.hidden_from_receiver
    }
}

/// An answer, and the moment at which exactly it was true, on transaction-service's clock, if it names one.
pub type AsOf<T> = (T, Option<DateTime<Utc>>);

/// What the receiver has got of `amount` in such a `status`, if nothing else is known.
pub fn implied_captured(status: Status, amount: Amount) -> Money {
    if status == Status::Completed { amount.money() } else { Money::ZERO }
}

/// How far the feed has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub changed_at: DateTime<Utc>,
    pub id: i64,
}

#[cfg(test)]
mod status_tests {
    use super::*;

    #[test]
    fn a_word_that_a_later_version_has_is_read_and_asked_for_again() {
        let status = |word: &str| serde_json::from_value::<Status>(word.into()).unwrap();
        assert!(status("suspended") == Status::Other && Status::Other.is_open());
        assert!(status("scheduled") == Status::Scheduled && Status::Scheduled.is_open());
    }
}
