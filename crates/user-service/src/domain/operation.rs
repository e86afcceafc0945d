//! What can be asked of the ledger, and what it answers.

use std::iter;

use common::{
    ApiError,
    idempotency::{self, KeyedRequest},
    labels::{Labels, Metadata, Reference},
    origin::Origin,
};
use money::{Amount, Money, TransactionId, UserId, time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::limits::Exceeded;

pub use super::{refusal::Refusal, share::Share};

/// A movement of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Movement {
    /// Money comes in from outside, and the user is notified.
    Topup {
        /// Whose balance rises.
        user_id: UserId,
        /// By how much.
        amount: Amount,
    },
    /// Money comes in from outside, on behalf of another service.
    Credit {
        /// Whose balance rises.
        user_id: UserId,
        /// By how much.
        amount: Amount,
    },
    /// Money goes out.
    Debit {
        /// Whose balance falls.
        user_id: UserId,
        /// By how much.
        amount: Amount,
    },
    /// The sender's money is set aside for a transaction.
    Hold(Transfer),
    /// Hold and capture in one.
    Transfer(Transfer),
    /// Money set aside goes to the receiver.
    Capture {
        /// Whose hold.
        transaction_id: TransactionId,
        /// Which step of the transaction this is, 2 or later.
        step: u16,
        /// Whose money it is.
        sender_id: UserId,
        /// Who is paid.
        receiver_id: UserId,
        /// How much of it.
        #[serde(deserialize_with = "Amount::worked_out")]
        amount: Amount,
        /// True if what is left then goes back to the sender.
        #[serde(rename = "final", default, skip_serializing_if = "std::ops::Not::not")]
        is_final: bool,
        /// True if an operator decided so, whom frozen and locked accounts do not stop. It is no part of the step's identity.
        #[serde(default, skip_serializing)]
        by_operator: bool,
        /// If several are paid: how much of it each gets, in the order of the hold.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        shares: Vec<Share>,
    },
    /// What is left of the money set aside goes back to the sender; a hold that comes later is refused.
    Release {
        /// Whose hold.
        transaction_id: TransactionId,
        /// Which step of the transaction this is, 2 or later.
        step: u16,
        /// Whose money it is.
        sender_id: UserId,
        /// Who would have been paid.
        receiver_id: UserId,
        /// If they are several: all of them, in the order of the hold.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        receivers: Vec<UserId>,
    },
    /// Money that was captured goes back.
    Refund(Refund),
    /// Holds and transfers of new transactions: all of them, or none.
    Batch(Batch),
}

/// First steps of transactions that happen together or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// The batch, as numbered by transaction-service.
    pub batch_id: i64,
    /// In the order in which they happen.
    pub steps: Vec<BatchStep>,
}

/// The first step of a transaction in a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchStep {
    /// The sender's money is set aside.
    Hold(Transfer),
    /// It goes to the receiver at once.
    Transfer(Transfer),
}

impl BatchStep {
    /// Who pays whom how much.
    pub fn transfer(&self) -> &Transfer {
        match self {
            Self::Hold(transfer) | Self::Transfer(transfer) => transfer,
        }
    }
}

/// What of an earlier transaction goes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Refund {
    /// The refund, a transaction of its own.
    pub transaction_id: TransactionId,
    /// The transaction that it is of.
    pub refund_of: TransactionId,
    /// Who pays: who was paid then.
    pub sender_id: UserId,
    /// Who is paid: who paid then.
    pub receiver_id: UserId,
    /// How much.
    #[serde(deserialize_with = "Amount::worked_out")]
    pub amount: Amount,
    /// True if an operator decided so, whom frozen and locked accounts do not stop. It is no part of the step's identity.
    #[serde(default, skip_serializing)]
    pub by_operator: bool,
    /// If several were paid: how much of it each gives back, in the order of the hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<Share>,
}

impl Refund {
    /// Who pays how much of it.
    pub fn payers(&self) -> Vec<Share> {
        Share::all(&self.shares, self.sender_id, self.amount)
    }
}

/// The first step of a transaction: its hold, its transfer or its refund.
pub const FIRST_STEP: u16 = 1;

/// Who pays whom how much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// The transaction, as numbered by transaction-service.
    pub transaction_id: TransactionId,
    /// Who pays.
    pub sender_id: UserId,
    /// Who is paid.
    pub receiver_id: UserId,
    /// How much.
    pub amount: Amount,
    /// If several are paid: how much of it each gets. The first is the receiver above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<Share>,
}

impl Transfer {
    /// Who is paid how much.
    pub fn payees(&self) -> Vec<Share> {
        Share::all(&self.shares, self.receiver_id, self.amount)
    }

    /// Who is paid.
    fn receivers(&self) -> impl Iterator<Item = UserId> {
        let alone = self.shares.is_empty().then_some(self.receiver_id);
        alone.into_iter().chain(self.shares.iter().map(|share| share.receiver_id))
    }

    /// Who pays, and who is paid.
    pub fn parties(&self) -> (UserId, UserId) {
        (self.sender_id, self.receiver_id)
    }
}

impl Movement {
    /// The stable word for the kind of movement.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Topup { .. } => "topup",
            Self::Credit { .. } => "credit",
            Self::Debit { .. } => "debit",
            Self::Hold(_) => "hold",
            Self::Transfer(_) => "transfer",
            Self::Capture { .. } => "capture",
            Self::Release { .. } => "release",
            Self::Refund(_) => "refund",
            Self::Batch(_) => "batch",
        }
    }

    /// The user whose balance the movement is about, where it names one.
    pub fn subject(&self) -> Option<UserId> {
        match self {
            Self::Topup { user_id, .. } | Self::Credit { user_id, .. } | Self::Debit { user_id, .. } => Some(*user_id),
            Self::Hold(transfer) | Self::Transfer(transfer) => Some(transfer.sender_id),
            Self::Refund(refund) => Some(refund.sender_id),
            Self::Batch(batch) => batch.steps.first().map(|step| step.transfer().sender_id),
            Self::Capture { .. } | Self::Release { .. } => None,
        }
    }

    /// Everybody whose money it may move.
    pub fn users(&self) -> Vec<UserId> {
        match self {
            Self::Batch(batch) => {
                let transfers = batch.steps.iter().map(BatchStep::transfer);
                transfers.flat_map(|transfer| iter::once(transfer.sender_id).chain(transfer.receivers())).collect()
            }
            _ => match self.parties() {
                Some((sender, receiver)) => [sender, receiver].into_iter().chain(self.receivers()).collect(),
                None => self.subject().into_iter().collect(),
            },
        }
    }

    /// The receivers of the transaction that it is a step of, if they are several.
    fn receivers(&self) -> Vec<UserId> {
        let of_shares = |shares: &[Share]| shares.iter().map(|share| share.receiver_id).collect();
        match self {
            Self::Hold(transfer) | Self::Transfer(transfer) => of_shares(&transfer.shares),
            Self::Capture { shares, .. } | Self::Refund(Refund { shares, .. }) => of_shares(shares),
            Self::Release { receivers, .. } => receivers.clone(),
            Self::Topup { .. } | Self::Credit { .. } | Self::Debit { .. } | Self::Batch(_) => Vec::new(),
        }
    }

    /// Who pays whom, for a step of one transaction.
    pub fn parties(&self) -> Option<(UserId, UserId)> {
        match self {
            Self::Hold(transfer) | Self::Transfer(transfer) => Some((transfer.sender_id, transfer.receiver_id)),
            Self::Refund(refund) => Some((refund.sender_id, refund.receiver_id)),
            Self::Capture { sender_id, receiver_id, .. } | Self::Release { sender_id, receiver_id, .. } => {
                Some((*sender_id, *receiver_id))
            }
            Self::Topup { .. } | Self::Credit { .. } | Self::Debit { .. } | Self::Batch(_) => None,
        }
    }

    /// True if what is known of its transactions decides: a step that carries on what another one began, and a batch, which leaves no
    /// trace at them if it is refused.
    pub fn needs_hold(&self) -> bool {
        matches!(self, Self::Capture { .. } | Self::Release { .. } | Self::Refund(_) | Self::Batch(_))
    }

    /// The transactions whose money it is about: of a refund, the one that is refunded.
    pub fn holds(&self) -> Vec<TransactionId> {
        match self {
            Self::Refund(refund) => vec![refund.refund_of],
            Self::Batch(batch) => batch.steps.iter().map(|step| step.transfer().transaction_id).collect(),
            _ => self.transaction().into_iter().collect(),
        }
    }

    /// The transaction that the movement is a step of, and which.
    pub fn step(&self) -> Option<(TransactionId, u16)> {
        match self {
            Self::Hold(transfer) | Self::Transfer(transfer) => Some((transfer.transaction_id, FIRST_STEP)),
            Self::Refund(refund) => Some((refund.transaction_id, FIRST_STEP)),
            Self::Capture { transaction_id, step, .. } | Self::Release { transaction_id, step, .. } => {
                Some((*transaction_id, *step))
            }
            Self::Topup { .. } | Self::Credit { .. } | Self::Debit { .. } | Self::Batch(_) => None,
        }
    }

    /// The transaction that the movement is a step of.
    pub fn transaction(&self) -> Option<TransactionId> {
        self.step().map(|(transaction, _)| transaction)
    }
}

/// A movement with its identity: asked again under the same reference, it is answered again and not carried out.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Unique for ever; ASCII, at most 400 bytes.
    pub reference: String,
    /// A second identity of the same kind: asked again under either, it is answered again.
    pub also: Option<String>,
    /// Equal for equal requests: another request under the same reference is refused.
    pub fingerprint: Vec<u8>,
    /// What to do.
    pub movement: Movement,
    /// The caller's own name for it, kept with the operation.
    pub note: Option<String>,
    /// Whatever else the caller wrote on it.
    pub metadata: Metadata,
    /// Who asks for it, and within which request.
    pub origin: Origin,
}

impl Operation {
    /// A step of a transaction, whose identity is the transaction and the step's number.
    pub fn step((transaction, number): (TransactionId, u16), movement: Movement) -> Self {
        Self::identified(format!("transaction:{transaction}:{number}"), movement)
    }

    /// A batch, whose identity is its number.
    pub fn batch(batch: Batch) -> Self {
        Self::identified(format!("batch:{}", batch.batch_id), Movement::Batch(batch))
    }

    fn identified(reference: String, movement: Movement) -> Self {
        Self {
            reference,
            also: None,
            fingerprint: idempotency::fingerprint(&movement),
            movement,
            note: None,
            metadata: Metadata::default(),
            origin: Origin::current(),
        }
    }

    /// A request of a user or a service, identified by its key, or by the one or two `identities` that it has; without any
    /// it is one of its kind.
    pub fn requested(
        identities: impl IntoIterator<Item = KeyedRequest>,
        movement: Movement,
        Labels { reference, metadata }: Labels,
    ) -> Self {
        let mut identities = identities.into_iter();
        let identity_of = |identity: &KeyedRequest| format!("{}:{}", identity.scope, identity.key);
        let (first, also) = (identities.next(), identities.next().as_ref().map(identity_of));
        let note = reference.map(|Reference(text)| text);
        let (reference, fingerprint) = match first {
            Some(identity) => (identity_of(&identity), identity.fingerprint),
            None => (format!("once:{}", uuid::Uuid::new_v4()), idempotency::fingerprint(&movement)),
        };
        Self { reference, also, fingerprint, movement, note, metadata, origin: Origin::current() }
    }

    /// Everything under which it may be known.
    pub fn references(&self) -> impl Iterator<Item = &str> {
        iter::once(&*self.reference).chain(self.also.as_deref())
    }
}

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Applied, with the available balance of the operation's subject after it; or refused.
    pub result: Result<Money, Refusal>,
    /// Of a refusal for a limit: by what it is exceeded.
    pub exceeded: Option<Exceeded>,
    /// True if this reference had been answered before.
    pub replayed: bool,
}

impl Outcome {
    /// The error that a refusal is answered with; `None` for what was applied.
    pub fn error(&self) -> Option<ApiError> {
        let error = ApiError::from(self.result.err()?);
        Some(match self.exceeded {
            Some(Exceeded { limit, remaining, resets_at }) => error
                .detail("limit", json!(limit))
                .detail("remaining", json!(remaining))
                .detail("resets_at", json!(resets_at.map(time::written))),
            None => error,
        })
    }
}
