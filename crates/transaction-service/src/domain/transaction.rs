//! A transaction, and the words for its states.

use chrono::{DateTime, Utc};
use money::{Amount, TransactionId, UserId};
use mysql::row;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    reason::{Reason, StatusReason},
    step::{Failure, Step, Verb},
};

/// Where a transaction stands.
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

/// The conditions under which transactions are made.
#[derive(Debug, Clone)]
pub struct Terms {
    /// How amounts are worded.
    pub currency: String,
    /// Seconds after which a pending transaction is cancelled, from when the money was set aside.
    pub pending_ttl: u32,
}

row! {
    /// A transaction as it stands.
    #[derive(Debug, Clone)]
    pub struct Transaction {
        pub id: TransactionId,
        pub sender_id: UserId,
        pub receiver_id: UserId,
        pub amount: Amount,
        pub description: String,
        pub status: Status,
        /// The verb that is outstanding while `processing`.
        pub step: Option<Verb>,
        /// The status that an outstanding capture or release leads to.
        pub target: Option<Status>,
        pub failure: Option<Failure>,
        /// When user-service had set the money aside.
        pub accepted_at: Option<DateTime<Utc>>,
        /// When it was deleted for everybody.
        pub hidden_at: Option<DateTime<Utc>>,
        /// When its sender deleted it.
        pub hidden_from_sender_at: Option<DateTime<Utc>>,
        /// When its receiver deleted it.
        pub hidden_from_receiver_at: Option<DateTime<Utc>>,
        /// Why somebody or something decided as it did; written with the decision.
        pub reason: Option<Reason>,
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
}

impl Transaction {
    /// The step to ask user-service for, if one is outstanding.
    pub fn outstanding(&self) -> Option<Step> {
        let (transaction_id, sender_id, receiver_id, amount) = (self.id, self.sender_id, self.receiver_id, self.amount);
        self.step.map(|verb| match verb {
            Verb::Hold => Step::Hold { transaction_id, sender_id, receiver_id, amount },
            Verb::Transfer => Step::Transfer { transaction_id, sender_id, receiver_id, amount },
            Verb::Capture => Step::Capture { transaction_id },
            Verb::Release => Step::Release { transaction_id },
        })
    }

    /// Why it ended; `None` before. Most complete at once, which nobody decides: they keep no reason.
    pub fn status_reason(&self) -> Option<StatusReason> {
        if !self.status.is_settled() {
            return None;
        }
        let at_once = (self.status == Status::Completed).then_some(Reason::CompletedAtOnce);
        self.failure.map(StatusReason::Refused).or(self.reason.or(at_once).map(StatusReason::Decided))
    }

    /// True once it was deleted for everybody.
    pub fn is_hidden(&self) -> bool {
        self.hidden_at.is_some()
    }

    /// True while it is not known whether the money could be set aside at all.
    pub fn is_being_created(&self) -> bool {
        matches!(self.step, Some(Verb::Hold | Verb::Transfer))
    }
}
