//! Why an operation is refused.

use common::ApiError;
use schemars::JsonSchema;
use serde::Serialize;

use crate::codes;

/// Why an operation was not applied. Refusals are durable like applications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema, strum::EnumString, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Refusal {
    /// The user, or the sender, does not exist or is closed.
    UserNotFound,
    /// The receiver does not exist or is closed.
    ReceiverNotFound,
    /// The balance is smaller than the amount.
    InsufficientBalance,
    /// It exceeds a limit of the account that pays.
    LimitExceeded,
    /// The account receives and does not send.
    AccountFrozen,
    /// The account neither receives nor sends.
    AccountLocked,
    /// The account takes no more top-ups and credits.
    BalanceLimit,
    /// The receiver cannot be paid; the payer does not learn why.
    ReceiverUnavailable,
    /// The transaction's money is not set aside, or no longer, or not that much, or between others: the verb does not fit.
    NotHeld,
    /// More than was captured and not refunded yet.
    ExceedsRefundable,
    /// The reference belongs to another request. This one refusal is not stored.
    ReferenceReused,
}

mysql::stored_as_text!(Refusal);

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::new(match refusal {
            Refusal::UserNotFound | Refusal::ReceiverNotFound => codes::USER_NOT_FOUND,
            Refusal::InsufficientBalance => codes::INSUFFICIENT_BALANCE,
            Refusal::LimitExceeded => codes::LIMIT_EXCEEDED,
            Refusal::AccountFrozen => codes::ACCOUNT_FROZEN,
            Refusal::AccountLocked => codes::ACCOUNT_LOCKED,
            Refusal::BalanceLimit => codes::BALANCE_LIMIT,
            Refusal::ReceiverUnavailable => codes::RECEIVER_UNAVAILABLE,
            Refusal::NotHeld => codes::NOT_HELD,
            Refusal::ExceedsRefundable => codes::EXCEEDS_REFUNDABLE,
            Refusal::ReferenceReused => codes::IDEMPOTENCY_KEY_REUSED,
        })
    }
}
