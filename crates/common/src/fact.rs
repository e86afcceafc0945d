//! Facts: what has happened to accounts and their money, as services pass it to each other, once for each happening. Who is
//! notified of it, and in which words, is decided by notification-service.

use chrono::{DateTime, Utc};
use money::{Amount, BatchId, Money, TransactionId, UserId, time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{labels::Labels, origin::Origin};

/// What kind of thing has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    /// Money came in: [`AccountMovement`].
    #[serde(rename = "topup.completed")]
    TopupCompleted,
    /// Money went out: [`AccountMovement`].
    #[serde(rename = "debit.completed")]
    DebitCompleted,
    /// A transaction is to begin later: [`TransactionState`], as all of its kind.
    #[serde(rename = "transaction.scheduled")]
    TransactionScheduled,
    /// The money of a transaction is set aside.
    #[serde(rename = "transaction.created")]
    TransactionCreated,
    /// The receiver has the money.
    #[serde(rename = "transaction.completed")]
    TransactionCompleted,
    /// The sender, or a service, took it back.
    #[serde(rename = "transaction.cancelled")]
    TransactionCancelled,
    /// Nobody decided in time.
    #[serde(rename = "transaction.expired")]
    TransactionExpired,
    /// The receiver does not want it.
    #[serde(rename = "transaction.declined")]
    TransactionDeclined,
    /// The receiver has got a part of it, and the rest is still set aside.
    #[serde(rename = "transaction.partially_captured")]
    TransactionPartiallyCaptured,
    /// It is a refund, and the payer has the money back.
    #[serde(rename = "transaction.refunded")]
    TransactionRefunded,
    /// It was refused, or somebody let it fail.
    #[serde(rename = "transaction.failed")]
    TransactionFailed,
    /// Somebody asks a user for money: [`PaymentRequestState`].
    #[serde(rename = "payment_request.created")]
    PaymentRequestCreated,
    /// The payer whom a payment request names does not want to pay: [`PaymentRequestState`].
    #[serde(rename = "payment_request.declined")]
    PaymentRequestDeclined,
    /// An account receives money, and sends none any more: [`AccountChange`].
    #[serde(rename = "user.frozen")]
    UserFrozen,
    /// An account does neither any more: [`AccountChange`].
    #[serde(rename = "user.locked")]
    UserLocked,
    /// An account does both again: [`AccountChange`].
    #[serde(rename = "user.unfrozen")]
    UserUnfrozen,
    /// An account was closed: [`AccountClosed`].
    #[serde(rename = "user.closed")]
    UserClosed,
    /// A password was changed: [`AccountChange`].
    #[serde(rename = "security.password_changed")]
    PasswordChanged,
    /// An e-mail address was changed: [`AccountChange`].
    #[serde(rename = "security.email_changed")]
    EmailChanged,
}

/// Something that has happened.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// Unique for each happening.
    pub id: String,
    /// What kind of thing has happened.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// When, by the clock of the service where it happened.
    pub created_at: DateTime<Utc>,
    /// Who did it: `user:7`, `service:shop`, `service`, `anyone`, or `system` for what the wallet does by itself.
    pub actor: String,
    /// What there is to know of it, by its kind. It holds no balance, and no name.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub data: Box<RawValue>,
    /// The place in a trace from which notifying goes on, as W3C's `traceparent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// True if it comes from a backup: users may have been notified before, so its notices wait until somebody sends them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held_back: bool,
    /// Where the user is notified, if that must not depend on the account as it is by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

impl Fact {
    /// A fact that happens now, by what `origin` asked for.
    ///
    /// # Panics
    /// If `data` cannot be written as JSON, which is a mistake in the code.
    pub fn new(id: String, kind: Kind, data: &impl Serialize, origin: &Origin) -> Self {
        Self {
            id,
            kind,
            created_at: time::now(),
            actor: origin.actor().to_owned(),
            data: serde_json::value::to_raw_value(data).expect("the data of facts are plain structures"),
            traceparent: origin.trace.to_text(),
            held_back: false,
            address: None,
        }
    }

    /// The same fact, done by `actor`.
    #[must_use]
    pub fn by(self, actor: String) -> Self {
        Self { actor, ..self }
    }

    /// The same fact, whose notices go to `address` whatever becomes of the account.
    #[must_use]
    pub fn at(self, address: String) -> Self {
        Self { address: Some(address), ..self }
    }
}

/// Money came in or went out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountMovement {
    /// Whose balance it is.
    pub user_id: UserId,
    /// By how much it changed.
    pub amount: Amount,
    /// The caller's name for it.
    #[serde(default)]
    pub reference: Option<String>,
}

/// A transaction as it stands then.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TransactionState {
    /// Its number.
    pub id: TransactionId,
    /// Who pays.
    pub sender_id: UserId,
    /// Who is paid.
    pub receiver_id: UserId,
    /// How much.
    #[serde(deserialize_with = "Amount::worked_out")]
    pub amount: Amount,
    /// What for.
    pub description: String,
    /// What its creator wrote on it.
    #[serde(flatten)]
    pub labels: Labels,
    /// Where it stands, in the words of transaction-service.
    pub status: String,
    /// Why it ended, if it has.
    #[serde(default)]
    pub status_reason: Option<String>,
    /// What the receiver has got of it by then, if it is paid in parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured_amount: Option<Money>,
    /// What the receiver has got of it now, if it is paid in parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_amount: Option<Money>,
    /// If several are paid, or pay a refund: each one's share. A receiver is told of its own alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<ShareState>,
    /// Of a refund: the transaction whose money has gone back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_of: Option<TransactionId>,
    /// The batch that it was made with, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_id: Option<BatchId>,
    /// True of a payment of a batch that was refused, and for which nothing was ever set aside: the batch's results say so, at once or when
    /// it has settled. One that fails after its money was set aside is news.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused_at_once: bool,
    /// When it was to begin, if that was not at once, and as long as nothing was set aside for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execute_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it changed last.
    pub updated_at: DateTime<Utc>,
}

/// What of a transaction is one receiver's; of a refund, what one of those pays who were paid.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShareState {
    /// Whose.
    pub user_id: UserId,
    /// How much.
    pub amount: Money,
    /// What of it is paid now.
    pub paid_amount: Money,
}

/// A payment request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PaymentRequestState {
    /// What people know it by.
    pub id: String,
    /// Who asks.
    pub payee_id: UserId,
    /// Who is asked, if that is known.
    #[serde(default)]
    pub payer_id: Option<UserId>,
    /// For how much.
    pub amount: Amount,
    /// What for.
    pub description: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it cannot be paid any more.
    pub expires_at: DateTime<Utc>,
}

/// An account was closed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountClosed {
    /// Whose.
    pub user_id: UserId,
    /// What was left and is paid out.
    pub paid_out: Money,
}

/// Something about an account was changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountChange {
    /// Whose.
    pub user_id: UserId,
}
