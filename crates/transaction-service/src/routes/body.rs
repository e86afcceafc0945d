//! What requests to transaction-service look like, and how a transaction is answered.

use chrono::{DateTime, Utc};
use common::{Amount, ApiError, Code, Money, Result, TransactionId, UserId, time::Moment};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::json;

use crate::{
    store::lists::Filter,
    transfer::{Decision, Failure, NewTransaction, Status, Transaction},
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
        common::text::parse(&text, 0..=MAX_DESCRIPTION).map(Self)
    }
}

/// The body of `POST /transactions`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = json!({"sender_id": 1, "receiver_id": 2, "amount": 10_000, "description": "Lunch"}))]
pub struct Create {
    sender_id: UserId,
    receiver_id: UserId,
    amount: Amount,
    #[serde(default)]
    description: Description,
    #[serde(default)]
    auto_complete: bool,
}

impl TryFrom<Create> for NewTransaction {
    type Error = ApiError;
    fn try_from(body: Create) -> Result<Self> {
        if body.sender_id == body.receiver_id {
            return Err(ApiError::new(Code::SelfTransfer).field("receiver_id", "must be another user than the sender"));
        }
        Ok(Self {
            sender_id: body.sender_id,
            receiver_id: body.receiver_id,
            amount: body.amount,
            description: body.description.0,
            auto_complete: body.auto_complete,
        })
    }
}

/// The body of `PUT /transactions/{id}`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = json!({"status": "completed"}))]
pub struct Update {
    pub status: Option<NewStatus>,
    pub description: Option<Description>,
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

/// The query of a list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Where they stand.
    status: Option<Status>,
    /// Created at this moment or later.
    from: Option<Moment>,
    /// Created at this moment or earlier.
    to: Option<Moment>,
    /// Of this amount or more.
    #[schemars(with = "Option<Amount>")]
    min_amount: Option<String>,
    /// Of this amount or less.
    #[schemars(with = "Option<Amount>")]
    max_amount: Option<String>,
    #[serde(rename = "limit")]
    #[schemars(skip)]
    _limit: Option<IgnoredAny>,
    #[serde(rename = "cursor")]
    #[schemars(skip)]
    _cursor: Option<IgnoredAny>,
}

impl TryFrom<ListQuery> for Filter {
    type Error = ApiError;
    fn try_from(query: ListQuery) -> Result<Self> {
        let amount = |field: &str, text: Option<String>| -> Result<Option<Money>> {
            let parsed = text.map(|text| text.parse::<Amount>().map(Money::from)).transpose();
            parsed.map_err(|error| ApiError::invalid(field, error.to_string()))
        };
        Ok(Self {
            status: query.status,
            from: query.from.map(|moment| moment.0),
            to: query.to.map(|moment| moment.0),
            min_amount: amount("min_amount", query.min_amount)?,
            max_amount: amount("max_amount", query.max_amount)?,
        })
    }
}

/// A transaction as it is answered.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Transaction")]
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
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Transaction> for Body {
    fn from(row: Transaction) -> Self {
        Self {
            id: row.id,
            sender_id: row.sender_id,
            receiver_id: row.receiver_id,
            amount: row.amount,
            status: row.status,
            description: row.description,
            failure_code: row.failure,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl Body {
    /// The answer to the request that created `row`: what it came to then, whatever has become of it since.
    pub fn as_created(row: Transaction, new: NewTransaction) -> Self {
        let status = if new.auto_complete { Status::Completed } else { Status::Pending };
        let updated_at = row.accepted_at.unwrap_or(row.created_at);
        Self { status, description: new.description, failure_code: None, updated_at, ..row.into() }
    }
}
