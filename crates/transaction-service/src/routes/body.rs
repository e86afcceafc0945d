//! What requests to transaction-service look like, and how a transaction is answered.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use common::{ApiError, Result, request};
use money::{
    Amount, AmountBound, Money, TransactionId, UserId,
    time::{Bound, Period},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    codes,
    domain::{
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
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
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
    }
}

impl TryFrom<Create> for NewTransaction {
    type Error = ApiError;
    fn try_from(body: Create) -> Result<Self> {
        if body.sender_id == body.receiver_id {
            return Err(
                ApiError::new(codes::SELF_TRANSFER).field("receiver_id", "must be another user than the sender")
            );
        }
        Ok(Self {
            sender_id: body.sender_id,
            receiver_id: body.receiver_id,
            amount: body.amount,
            description: body.description.unwrap_or_default().0,
            auto_complete: body.auto_complete.unwrap_or(false),
        })
    }
}

request! {
    /// The body of `PUT /transactions/{id}`.
    #[schemars(example = json!({"status": "completed"}))]
    pub struct Update {
        pub status: Option<NewStatus>,
        pub description: Option<Description>,
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
    /// The decision that the status asks for; `None` for `pending`, which asks for nothing.
    pub fn decision(self) -> Option<Decision> {
        match self {
            Self::Pending => None,
            Self::Completed => Some(Decision::Complete),
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
        let status = if new.auto_complete { Status::Completed } else { Status::Pending };
        let status_reason = new.auto_complete.then_some(StatusReason::Decided(Reason::CompletedAtOnce));
        let updated_at = row.accepted_at.unwrap_or(row.created_at);
        Self { status, description: new.description, failure_code: None, status_reason, updated_at, ..row.into() }
    }
}
