//! A transaction and the words for its states.

use chrono::{DateTime, Utc};
use common::{Amount, TransactionId, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actor::Reason;

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

/// What user-service is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Verb {
    /// Set the sender's money aside.
    Hold,
    /// Hold and capture in one.
    Transfer,
    /// Pay the receiver what was set aside.
    Capture,
    /// Give the sender back what was set aside.
    Release,
}

/// Why a transaction failed: user-service's reasons, and one of our own.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Failure {
    /// The sender does not exist.
    UserNotFound,
    /// The receiver does not exist.
    ReceiverNotFound,
    /// The sender has less than the amount.
    InsufficientBalance,
    /// The receiver cannot be paid; the versions before called it `balance_limit`, which tells of the receiver's balance.
    #[serde(alias = "balance_limit")]
    #[strum(to_string = "receiver_unavailable", serialize = "balance_limit")]
    ReceiverUnavailable,
    /// The money is not set aside, or no longer.
    NotHeld,
    /// user-service knows another transaction under this number.
    ReferenceReused,
    /// user-service was certainly not reached.
    NotReached,
}

common::stored_as_text!(Status, Verb, Failure);

/// A transaction to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewTransaction {
    pub sender_id: UserId,
    pub receiver_id: UserId,
    pub amount: Amount,
    pub description: String,
    /// True if the money moves in one step.
    pub auto_complete: bool,
}

/// The request that creates a transaction.
#[derive(Debug, Clone)]
pub struct Request {
    /// Unique: caller, route and key, or one of its kind.
    pub identity: String,
    /// Equal for equal requests.
    pub fingerprint: Vec<u8>,
}

/// The conditions under which transactions are made.
#[derive(Debug, Clone)]
pub struct Terms {
    /// How amounts are worded.
    pub currency: String,
    /// Seconds after which a pending transaction is cancelled, from when the money was set aside.
    pub pending_ttl: u32,
}

/// A transaction as it stands.
#[derive(Debug, Clone, sqlx::FromRow)]
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
    #[sqlx(rename = "status_reason")]
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

/// A verb for one transaction, as user-service is asked for it.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Hold { transaction_id: TransactionId, sender_id: UserId, receiver_id: UserId, amount: Amount },
    Transfer { transaction_id: TransactionId, sender_id: UserId, receiver_id: UserId, amount: Amount },
    Capture { transaction_id: TransactionId },
    Release { transaction_id: TransactionId },
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

    /// True once it was deleted for everybody.
    pub fn is_hidden(&self) -> bool {
        self.hidden_at.is_some()
    }

    /// True while it is not known whether the money could be set aside at all.
    pub fn is_being_created(&self) -> bool {
        matches!(self.step, Some(Verb::Hold | Verb::Transfer))
    }
}
