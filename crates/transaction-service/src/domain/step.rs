//! Steps: what user-service is asked to do with the money of a transaction, and what came of it.

use money::{Amount, TransactionId, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Hold {
        transaction_id: TransactionId,
        sender_id: UserId,
        receiver_id: UserId,
        amount: Amount,
    },
    Transfer {
        transaction_id: TransactionId,
        sender_id: UserId,
        receiver_id: UserId,
        amount: Amount,
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
    },
    Release {
        transaction_id: TransactionId,
        step: u16,
        sender_id: UserId,
        receiver_id: UserId,
    },
    Refund {
        transaction_id: TransactionId,
        refund_of: TransactionId,
        sender_id: UserId,
        receiver_id: UserId,
        amount: Amount,
    },
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
