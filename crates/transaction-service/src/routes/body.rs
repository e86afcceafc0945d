//! What requests to transaction-service look like, and how a transaction is answered.

use chrono::{DateTime, Utc};
use common::{
    Result,
    labels::{Labels, Metadata, Reference},
    request,
};
use money::{Amount, BatchId, Email, Money, ScheduleId, TransactionId, UserId, time::Moment};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::splits::{self, NewFee, NewSplit, Split};
use crate::domain::{
    capture::Capture,
    capture_record::CaptureRecord,
    decision::Decision,
    intent::NewTransaction,
    reason::{Reason, StatusReason},
    receiver::Receiver,
    shares::{MAX_SPLITS, Share},
    state::Status,
    step::Failure,
    transaction::Transaction,
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
    #[schemars(extend("oneOf" = one_receiver()))]
    pub struct Create {
        pub sender_id: UserId,
        /// Who is paid; or `receiver_email`.
        receiver_id: Option<UserId>,
        /// Who is paid, by the address of the account, in place of `receiver_id`.
        receiver_email: Option<Email>,
        /// Who are paid how much of the amount, in place of `receiver_id`: 1 to 20, each once. The amounts add up.
        #[schemars(extend("minItems" = 1, "maxItems" = MAX_SPLITS))]
        splits: Option<Vec<NewSplit>>,
        /// What of the amount goes to somebody else; the receiver gets the rest. Never beside `splits`.
        fee: Option<NewFee>,
        amount: Amount,
        description: Option<Description>,
        /// Your own name for it, an order number say. It need not be unique, and lists can be narrowed to it.
        reference: Option<Reference>,
        /// Whatever else you want to find it by. Both parties see it.
        metadata: Option<Metadata>,
        /// Whether the money moves at once: no, if it is absent.
        auto_complete: Option<bool>,
        /// When that is to happen, within a year from now: at once, if it is absent.
        pub execute_at: Option<Moment>,
    }
}

/// One of the fields names who is paid, and no other does.
pub(super) fn one_receiver() -> Value {
    let alone = |field: &str, schema: Value| json!({"required": [field], "properties": {field: schema}});
    let splits = json!({"type": "array", "items": {"type": "object"}});
    json!([
        alone("receiver_id", json!({"type": "integer"})),
        alone("receiver_email", json!({"type": "string"})),
        alone("splits", splits),
    ])
}

impl Create {
    /// Who is to be paid, in the words of the request: of several, the first.
    pub fn receiver(&self) -> Result<Receiver> {
        splits::receiver(self.receiver_id, self.receiver_email.as_ref(), self.splits.as_deref())
    }

    /// How many it pays.
    pub fn receivers(&self) -> usize {
        self.splits.as_ref().map_or(1, Vec::len) + usize::from(self.fee.is_some())
    }

    /// The transaction to create, which pays `receiver`, or several of whom that is the first.
    pub fn transaction(self, receiver: UserId) -> Result<NewTransaction> {
        let field = if self.receiver_email.is_some() { Receiver::ADDRESS } else { Receiver::ID };
        let several = (self.splits.as_deref(), self.fee.as_ref());
        let shares = splits::asked(self.sender_id, (receiver, field), self.amount, several)?;
        Ok(NewTransaction {
            sender_id: self.sender_id,
            receiver_id: receiver,
            amount: self.amount,
            description: self.description.unwrap_or_default().0,
            labels: Labels::of(self.reference, self.metadata),
            auto_complete: self.auto_complete.unwrap_or(false),
            refund_of: None,
            batch_id: None,
            execute_at: self.execute_at.map(|Moment(at)| at),
            schedule_id: None,
            shares,
        })
    }
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
        /// Your own name for the refund.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub reference: Option<Reference>,
        /// Whatever else you want to find it by.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub metadata: Option<Metadata>,
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

/// What a transaction is shown with besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Expand {
    /// The display names of its sender and its receiver.
    Parties,
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
    /// What of the amount goes to somebody else than the receiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    fee_amount: Option<Money>,
    /// If several are paid, or pay a refund: each one's share. A receiver sees its own share as the amount, and no other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    splits: Vec<Split>,
    /// Of a refund: the transaction whose money goes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_of: Option<TransactionId>,
    /// The batch that it was made with.
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_id: Option<BatchId>,
    /// When it is or was to begin, if that was not at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    execute_at: Option<DateTime<Utc>>,
    /// The schedule of which it is a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_id: Option<ScheduleId>,
    status: Status,
    description: String,
    /// What its creator wrote on it.
    #[serde(flatten)]
    labels: Labels,
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
            fee_amount: row.fee(),
            splits: row.shares.iter().map(Split::from).collect(),
            refund_of: row.refund_of,
            batch_id: row.batch_id,
            execute_at: row.execute_at,
            schedule_id: row.schedule_id,
            status: row.status(),
            description: row.description,
            labels: row.labels,
            failure_code: row.state.failure(),
            status_reason,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl Body {
    /// What of the amount is a fee.
    pub fn fee(&self) -> Money {
        self.fee_amount.unwrap_or_default()
    }

    /// The answer to the request that created `row`: what it came to then, whatever has become of it since.
    pub fn as_created(row: Transaction, new: NewTransaction) -> Self {
        let status = match (new.execute_at, new.auto_complete) {
            (Some(_), _) => Status::Scheduled,
            (None, true) => Status::Completed,
            (None, false) => Status::Pending,
        };
        let is_completed = status == Status::Completed;
        let accepted_at = row.accepted_at.filter(|_| new.execute_at.is_none());
        let shares = Share::paid(&row.shares, |share| if is_completed { share.amount } else { Money::ZERO });
        Self {
            status,
            captured_amount: if is_completed { new.amount.money() } else { Money::ZERO },
            refunded_amount: Money::ZERO,
            description: new.description,
            failure_code: None,
            status_reason: is_completed.then_some(StatusReason::Decided(Reason::CompletedAtOnce)),
            updated_at: accepted_at.unwrap_or(row.created_at),
            ..Transaction { shares, ..row }.into()
        }
    }

    /// The answer to the request for a capture that has taken effect on `row`: what it came to then.
    pub fn as_captured(row: Transaction, capture: &CaptureRecord) -> Self {
        let updated_at = capture.settled_at.unwrap_or(row.updated_at);
        let row = Transaction { shares: capture.shares.clone(), ..row };
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
