//! Intents: transactions that were asked for, before any money is asked for.

use chrono::{DateTime, Utc};
use common::{
    caller::Caller,
    idempotency::{IdempotencyKey, KeyedRequest, fingerprint},
    labels::Labels,
};
use money::{Amount, BatchId, Money, ScheduleId, TransactionId, UserId};
use serde::Serialize;
use uuid::Uuid;

use super::{shares::Share, state::State, transaction::Transaction};

/// A transaction to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewTransaction {
    pub sender_id: UserId,
    pub receiver_id: UserId,
    pub amount: Amount,
    pub description: String,
    #[serde(flatten)]
    pub labels: Labels,
    /// True if the money moves in one step.
    pub auto_complete: bool,
    /// The transaction whose money goes back, if it is a refund.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund_of: Option<TransactionId>,
    /// The batch that it is made with, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_id: Option<BatchId>,
    /// When it is to begin, if that is not at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execute_at: Option<DateTime<Utc>>,
    /// The schedule of which it is a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_id: Option<ScheduleId>,
    /// If several are paid, or pay a refund: how much each, the receiver, or the sender of the refund, first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<Share>,
}

impl NewTransaction {
    /// True if it is a payment from one to another, to begin at once, and nothing more.
    pub fn is_plain(&self) -> bool {
        let Self { labels, refund_of, batch_id, execute_at, schedule_id, shares, .. } = self;
        let is_of_another = refund_of.is_some() || batch_id.is_some() || schedule_id.is_some();
        !is_of_another && execute_at.is_none() && shares.is_empty() && labels.is_empty()
    }

    /// The state in which it begins.
    pub fn first_state(&self) -> State {
        match (self.refund_of, self.execute_at) {
            (Some(_), _) => State::Refunding,
            (None, Some(_)) => State::Scheduled { auto_complete: self.auto_complete },
            (None, None) => State::begun(self.auto_complete),
        }
    }
}

/// The request that creates a transaction.
#[derive(Debug, Clone)]
pub struct Request {
    /// Unique: caller, route and key, or one of its kind.
    pub identity: String,
    /// Equal for equal requests.
    pub fingerprint: Vec<u8>,
}

/// How the identities of requests begin that are one of their kind.
const ONCE: &str = "once ";

impl Request {
    /// A request that nobody can ask again.
    pub fn once(fingerprint: Vec<u8>) -> Self {
        Self { identity: format!("{ONCE}{}", Uuid::now_v7().simple()), fingerprint }
    }

    /// The request that is `keyed`, or one for `what` that nobody can ask again.
    pub fn of(keyed: Option<&KeyedRequest>, what: &impl Serialize) -> Self {
        keyed.map_or_else(|| Self::once(fingerprint(what)), Self::from)
    }

    /// False if nobody can ask it again.
    pub fn has_key(&self) -> bool {
        !self.identity.starts_with(ONCE)
    }

    /// The identity of the request of `caller` to `route` under `key`, if it has one, whatever it asks for.
    pub fn identity_of(key: &IdempotencyKey, caller: Caller, route: &str) -> Option<String> {
        KeyedRequest::new(key.clone(), caller, route, &()).map(|keyed| Self::from(&keyed).identity)
    }
}

impl From<&KeyedRequest> for Request {
    fn from(KeyedRequest { scope, key, fingerprint }: &KeyedRequest) -> Self {
        Self { identity: format!("{scope} {key}"), fingerprint: fingerprint.clone() }
    }
}

/// A transaction that somebody wants to make.
#[derive(Debug, Clone)]
pub struct Intent {
    pub new: NewTransaction,
    pub request: Request,
    /// Who asks for it.
    pub actor: String,
    pub now: DateTime<Utc>,
}

impl Intent {
    /// Equal for requests that are the same one, asked again.
    pub fn identity(&self) -> &str {
        &self.request.identity
    }

    /// The transaction that it is at first, under its number.
    pub fn transaction(&self, id: TransactionId) -> Transaction {
        let Self { new, request, actor, now } = self.clone();
        Transaction {
            id,
            sender_id: new.sender_id,
            receiver_id: new.receiver_id,
            amount: new.amount,
            state: new.first_state(),
            step: 1,
            captured: Money::ZERO,
            refunded: Money::ZERO,
            refund_of: new.refund_of,
            batch_id: new.batch_id,
            execute_at: new.execute_at,
            schedule_id: new.schedule_id,
            shares: new.shares,
            description: new.description,
            labels: new.labels,
            accepted_at: None,
            settled_at: None,
            hidden_at: None,
            hidden_from_sender_at: None,
            hidden_from_receiver_at: None,
            reason: None,
            actor,
            settle_attempts: 0,
            request: request.identity,
            fingerprint: request.fingerprint,
            version: 1,
            created_at: now,
            updated_at: now,
            changed_at: now,
        }
    }
}

/// What became of an intent.
#[derive(Debug, Clone)]
pub enum Inserted {
    /// It is written.
    New(Transaction),
    /// The request is known; this is what it made.
    Before(Transaction),
}
