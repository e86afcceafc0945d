//! What requests to transaction-service look like, and how a transaction is answered.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use common::{ApiError, Result, request};
use money::{
    Amount, AmountBound, Money, ScheduleId, TransactionId, UserId,
    time::{Bound, Moment, Period},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    codes,
    domain::{
        capture::Capture,
        capture_record::CaptureRecord,
        decision::Decision,
        intent::NewTransaction,
        reason::{Reason, StatusReason},
        state::Status,
        step::Failure,
        transaction::Transaction,
    },
    store::lists::Filter,
};

/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 255;

/// What a payment is for: at most 255 characters.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, extend("maxLength" = MAX_DESCRIPTION))]
pub struct Description(pub String);

impl TryFrom<String> for Description {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        money::text::parse_lines(&text, 0..=MAX_DESCRIPTION).map(Self)
    }
}

request! {
    /// The body of `POST /transactions`.
    #[schemars(example = json!({"sender_id": 1, "receiver_id": 2, "amount": 10_000, "description": "Lunch"}))]
    pub struct Create {
        sender_id: UserId,
        receiver_id: UserId,
        amount: Amount,
        description: Option<Description>,
        /// Whether the money moves at once: no, if it is absent.
        auto_complete: Option<bool>,
        /// When that is to happen, within a year from now: at once, if it is absent.
        execute_at: Option<Moment>,
    }
}

impl TryFrom<Create> for NewTransaction {
    type Error = ApiError;
    fn try_from(body: Create) -> Result<Self> {
        must_differ(body.sender_id, body.receiver_id, "receiver_id")?;
        Ok(Self {
            sender_id: body.sender_id,
            receiver_id: body.receiver_id,
            amount: body.amount,
            description: body.description.unwrap_or_default().0,
            auto_complete: body.auto_complete.unwrap_or(false),
            refund_of: None,
            execute_at: body.execute_at.map(|Moment(at)| at),
            schedule_id: None,
        })
    }
}

/// Refuses a payment to oneself, whose receiver is in this `field`.
pub(super) fn must_differ(sender: UserId, receiver: UserId, field: &str) -> Result<()> {
    if sender == receiver {
        return Err(ApiError::new(codes::SELF_TRANSFER).field(field, "must be another user than the sender"));
    }
    Ok(())
}

request! {
    /// The body of `PUT /transactions/{id}`.
    #[schemars(example = json!({"status": "completed"}))]
    pub struct Update {
        pub status: Option<NewStatus>,
        pub description: Option<Description>,
        /// With `completed`: how much the receiver gets; the rest goes back. All of it, if it is absent.
        pub amount: Option<Amount>,
    }
}

request! {
    /// The body of `POST /transactions/{id}/captures`.
    #[derive(Serialize)]
    #[schemars(example = json!({"amount": 2_500, "final": false}))]
    pub struct NewCapture {
        /// How much the receiver gets now: all that is left, if it is absent.
        pub amount: Option<Amount>,
        /// Whether what is left then goes back to the sender: no, if it is absent.
        pub r#final: Option<bool>,
    }
}

request! {
    /// The body of `POST /transactions/{id}/refunds`.
    #[derive(Serialize)]
    #[schemars(example = json!({"amount": 2_500, "reason": "damaged"}))]
    pub struct NewRefund {
        /// How much goes back: all that is not refunded yet, if it is absent.
        pub amount: Option<Amount>,
        /// What for: the description of the refund.
        pub reason: Option<Description>,
    }
}

/// A status that a transaction can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NewStatus {
    Pending,
    Completed,
    Failed,
    Cancelled,
}

impl NewStatus {
    /// The decision that the status asks for, where the receiver is to get `amount`; `None` for `pending`, which asks for nothing.
    pub fn decision(self, amount: Option<Amount>) -> Option<Decision> {
        match self {
            Self::Pending => None,
            Self::Completed => Some(Decision::Capture(Capture { amount, is_final: true })),
            Self::Failed => Some(Decision::Fail),
            Self::Cancelled => Some(Decision::Cancel),
        }
    }
}

request! {
    /// What a list is narrowed to.
    pub struct ListQuery {
        /// Their status.
        status: Option<Status>,
        /// Created at this moment or later; a date is its midnight in the wallet's time zone.
        from: Option<Bound>,
        /// Created before this moment; a date includes that day.
        to: Option<Bound>,
        /// Of this amount or more.
        min_amount: Option<AmountBound>,
        /// Of this amount or less.
        max_amount: Option<AmountBound>,
    }
}

impl ListQuery {
    /// The filter that the query asks for, where days are those of `zone`; nothing before `since`, if that is given.
    pub fn filter(self, zone: Tz, since: Option<DateTime<Utc>>) -> Filter {
        Filter {
            status: self.status,
            period: Period::between(self.from, self.to, zone).since(since),
            min_amount: self.min_amount.map(|AmountBound(amount)| amount),
            max_amount: self.max_amount.map(|AmountBound(amount)| amount),
        }
    }
}

/// A transaction as it is answered.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Transaction", example = json!({
    "id": 10,
    "sender_id": 1,
    "receiver_id": 2,
    "amount": 10_000,
    "captured_amount": 0,
    "refunded_amount": 0,
    "status": "pending",
    "description": "Payment for goods",
    "created_at": "2025-11-12T10:30:00.000000Z",
    "updated_at": "2025-11-12T10:30:00.000000Z",
}))]
pub struct Body {
    pub id: TransactionId,
    sender_id: UserId,
    receiver_id: UserId,
    #[schemars(with = "Money")]
    amount: Amount,
    /// What the receiver has got of it.
    captured_amount: Money,
    /// What has gone back of that.
    refunded_amount: Money,
    /// Of a refund: the transaction whose money goes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_of: Option<TransactionId>,
    /// When it is or was to begin, if that was not at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    execute_at: Option<DateTime<Utc>>,
    /// The schedule of which it is a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_id: Option<ScheduleId>,
    status: Status,
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_code: Option<Failure>,
    /// Why it ended, once it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_reason: Option<StatusReason>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Transaction> for Body {
    fn from(row: Transaction) -> Self {
        let status_reason = row.status_reason();
        Self {
            id: row.id,
            sender_id: row.sender_id,
            receiver_id: row.receiver_id,
            amount: row.amount,
            captured_amount: row.captured,
            refunded_amount: row.refunded,
            refund_of: row.refund_of,
            execute_at: row.execute_at,
            schedule_id: row.schedule_id,
            status: row.status(),
            description: row.description,
            failure_code: row.state.failure(),
            status_reason,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl Body {
    /// The answer to the request that created `row`: what it came to then, whatever has become of it since.
    pub fn as_created(row: Transaction, new: NewTransaction) -> Self {
        let status = match (new.execute_at, new.auto_complete) {
            (Some(_), _) => Status::Scheduled,
            (None, true) => Status::Completed,
            (None, false) => Status::Pending,
        };
        let is_completed = status == Status::Completed;
        let accepted_at = row.accepted_at.filter(|_| new.execute_at.is_none());
        Self {
            status,
            captured_amount: if is_completed { new.amount.money() } else { Money::ZERO },
            refunded_amount: Money::ZERO,
            description: new.description,
            failure_code: None,
            status_reason: is_completed.then_some(StatusReason::Decided(Reason::CompletedAtOnce)),
            updated_at: accepted_at.unwrap_or(row.created_at),
            ..row.into()
        }
    }

    /// The answer to the request for a capture that has taken effect on `row`: what it came to then.
    pub fn as_captured(row: Transaction, capture: &CaptureRecord) -> Self {
        let updated_at = capture.settled_at.unwrap_or(row.updated_at);
        let mut body = Self {
            captured_amount: capture.captured_after,
            refunded_amount: capture.refunded,
            failure_code: None,
            updated_at,
            ..row.into()
        };
        if !capture.is_final {
            (body.status, body.status_reason) = (Status::Pending, None);
        }
        body
    }
}
