//! Steps: what user-service is asked to do with the money of a transaction, and what came of it.

use chrono::{DateTime, Utc};
use money::{Amount, Money, TransactionId, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shares::StepShare;

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
    /// Give back what was captured.
    Refund,
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
    /// It exceeds a limit of the sender.
    LimitExceeded,
    /// The sender's account receives and does not send.
    AccountFrozen,
    /// The sender's account neither receives nor sends.
    AccountLocked,
    /// The receiver cannot be paid; the payer does not learn why.
    ReceiverUnavailable,
    /// The money is not set aside, or no longer.
    NotHeld,
    /// It is more than was captured and not refunded yet.
    ExceedsRefundable,
    /// user-service knows another transaction under this number.
    ReferenceReused,
    /// user-service was certainly not reached.
    NotReached,
}

mysql::stored_as_text!(Verb, Failure);

/// A step of a transaction, as user-service is asked for it. Its identity is the transaction and the step's number; a hold, a
/// transfer and a refund are the first.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Hold {
        transaction_id: TransactionId,
        sender_id: UserId,
        receiver_id: UserId,
        amount: Amount,
        /// If several are paid: how much each, the receiver first.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        shares: Vec<StepShare>,
    },
    Transfer {
        transaction_id: TransactionId,
        sender_id: UserId,
        receiver_id: UserId,
        amount: Amount,
        /// If several are paid: how much each, the receiver first.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        shares: Vec<StepShare>,
    },
    Capture {
        transaction_id: TransactionId,
        step: u16,
        sender_id: UserId,
        receiver_id: UserId,
        amount: Amount,
        /// True if what is left then goes back to the sender.
        #[serde(rename = "final", skip_serializing_if = "std::ops::Not::not")]
        is_final: bool,
        /// True if an operator decided so, whom frozen and locked accounts do not stop.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        by_operator: bool,
        /// If several are paid: how much each, the receiver first.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        shares: Vec<StepShare>,
    },
    Release {
        transaction_id: TransactionId,
        step: u16,
        sender_id: UserId,
        receiver_id: UserId,
        /// If several would have been paid: all of them, the receiver first.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        receivers: Vec<UserId>,
    },
    Refund {
        transaction_id: TransactionId,
        refund_of: TransactionId,
        sender_id: UserId,
        receiver_id: UserId,
        amount: Amount,
        /// True if an operator decided so, whom frozen and locked accounts do not stop.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        by_operator: bool,
        /// If several are paid: how much each, the receiver first.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        shares: Vec<StepShare>,
    },
}

impl Step {
    /// The transaction that it is a step of.
    pub fn transaction(&self) -> TransactionId {
        match *self {
            Self::Hold { transaction_id, .. }
            | Self::Transfer { transaction_id, .. }
            | Self::Capture { transaction_id, .. }
            | Self::Release { transaction_id, .. }
            | Self::Refund { transaction_id, .. } => transaction_id,
        }
    }
}

/// By what a payment exceeds a limit of its sender, in the words of user-service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Exceeded {
    /// Which limit: `per_transaction`, `per_day` or `per_month`.
    pub limit: String,
    /// What may still be paid within it.
    pub remaining: Money,
    /// When more may be; never, for the limit of one payment.
    pub resets_at: Option<DateTime<Utc>>,
}

/// What user-service answers to a step.
#[derive(Debug, Clone, Deserialize)]
pub struct StepAnswer {
    /// What it did.
    #[serde(flatten)]
    pub outcome: StepOutcome,
    /// Of a refusal for a limit: by what it is exceeded.
    #[serde(default)]
    pub exceeded: Option<Exceeded>,
}

/// What user-service did with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum StepOutcome {
    /// The money moved, now or when it was first asked.
    Applied,
    /// It did not and will not.
    Refused {
        /// Why.
        code: Failure,
    },
}
