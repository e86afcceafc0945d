//! Why transactions are refused, as it is answered.

use common::ApiError;
use money::time;
use serde_json::json;

use crate::{
    codes,
    domain::{
        capture::MAX_CAPTURES,
        decision::Decision,
        state::Status,
        step::{Exceeded, Failure},
        transaction::Transaction,
    },
};

/// Why a transaction was not made, if it was refused.
pub(super) fn refused(row: &Transaction, exceeded: Option<Exceeded>) -> Option<ApiError> {
    Some(match row.state.failure()? {
        // a payer who has closed the account is nobody whom a refund could look for
        Failure::ReceiverNotFound if row.refund_of.is_some() => ApiError::new(codes::RECEIVER_UNAVAILABLE),
        // one of several; which one is not known here
        Failure::ReceiverNotFound if !row.shares.is_empty() => {
            let error = ApiError::new(codes::USER_NOT_FOUND);
            let has_fee = row.shares.iter().any(|share| share.is_fee);
            let fields = if has_fee { &["receiver_id", "fee.receiver_id"][..] } else { &["splits"][..] };
            fields.iter().fold(error, |error, field| error.field(field, "of these receivers one does not exist"))
        }
        failure => match exceeded {
            Some(Exceeded { limit, remaining, resets_at }) => refusal(failure)
                .detail("limit", limit)
                .detail("remaining", json!(remaining))
                .detail("resets_at", json!(resets_at.map(time::written))),
            None => refusal(failure),
        },
    })
}

pub(super) fn refusal(failure: Failure) -> ApiError {
    let no_user = |field: &str| ApiError::new(codes::USER_NOT_FOUND).field(field, "does not exist");
    match failure {
        Failure::UserNotFound => no_user("sender_id"),
        Failure::ReceiverNotFound => no_user("receiver_id"),
        Failure::InsufficientBalance => ApiError::new(codes::INSUFFICIENT_BALANCE),
        Failure::LimitExceeded => ApiError::new(codes::LIMIT_EXCEEDED),
        Failure::AccountFrozen => ApiError::new(codes::ACCOUNT_FROZEN),
        Failure::AccountLocked => ApiError::new(codes::ACCOUNT_LOCKED),
        Failure::ReceiverUnavailable => ApiError::new(codes::RECEIVER_UNAVAILABLE),
        Failure::NotHeld | Failure::ReferenceReused => ApiError::new(codes::NOT_HELD),
        Failure::ExceedsRefundable => ApiError::new(codes::EXCEEDS_REFUNDABLE),
        Failure::NotReached => ApiError::new(codes::SERVICE_UNAVAILABLE),
    }
}

/// Why `decision` is not possible as `row` stands.
pub(super) fn lost(decision: Decision, row: &Transaction) -> ApiError {
    match decision {
        Decision::Capture(capture) if row.status() == Status::Pending && capture.within(row.left()).is_none() => {
            ApiError::new(codes::EXCEEDS_REMAINING).detail("remaining", json!(row.left()))
        }
        Decision::Capture(_) if row.status() == Status::Pending && decision.state(row).is_none() => {
            ApiError::new(codes::TOO_MANY_CAPTURES).detail("limit", MAX_CAPTURES)
        }
        _ => illegal_change(row),
    }
}

/// Why a capture that was decided could not be carried out.
pub(super) fn not_captured(row: &Transaction) -> ApiError {
    row.state.failure().map_or(ApiError::new(codes::RECEIVER_UNAVAILABLE), refusal)
}

pub(super) fn illegal_change(row: &Transaction) -> ApiError {
    if row.status() == Status::Processing {
        return ApiError::new(codes::TRANSACTION_IN_PROGRESS);
    }
    ApiError::new(codes::ILLEGAL_STATUS_CHANGE).detail("status", json!(row.status()))
}
