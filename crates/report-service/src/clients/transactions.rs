//! transaction-service, as the source of transactions.

use chrono::{DateTime, SecondsFormat, Utc};
use common::{
    Amount, Code, TransactionId, UserId,
    http::client::{CallError, ServiceClient},
    point,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Transactions on a page: more take more memory and no less time.
pub const PAGE: usize = 500;
/// Transactions that can be asked for by id at once: as many as transaction-service gives.
pub const MAX_IDS: usize = 1000;

/// Where a transaction stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::EnumString, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Status {
    Processing,
    Pending,
    Completed,
    Failed,
    Cancelled,
}

common::stored_as_text!(Status);

impl Status {
    /// True while the transaction may still change its status.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Processing | Self::Pending)
    }
}

/// A transaction as the feed tells it.
#[derive(Debug, Clone, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "a flat body, of which each is a fact of its own")]
pub struct Change {
    pub id: TransactionId,
    pub sender_id: UserId,
    pub receiver_id: UserId,
    pub amount: Amount,
    pub status: Status,
    /// Rises with every change.
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
    /// True once it was deleted for everybody.
    pub hidden: bool,
    /// True if it is one of the sender's transactions. The version before does not say, and counted them all.
    #[serde(default = "yes")]
    pub counts_for_sender: bool,
    /// True if it is one of the receiver's transactions.
    #[serde(default = "yes")]
    pub counts_for_receiver: bool,
    /// True once its sender has deleted it.
    #[serde(default)]
    pub hidden_from_sender: bool,
    /// True once its receiver has deleted it.
    #[serde(default)]
    pub hidden_from_receiver: bool,
}

fn yes() -> bool {
    true
}

/// What a transaction is to one of its parties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// True if it is one of the user's transactions.
    pub counts: bool,
    /// True once the user has deleted it.
    pub hidden: bool,
}

impl Change {
    /// What it is to `user`, if that is a party to it.
    pub fn share_of(&self, user: UserId) -> Option<Share> {
        if user == self.sender_id {
            Some(Share { counts: self.counts_for_sender, hidden: self.hidden_from_sender })
        } else if user == self.receiver_id {
            Some(Share { counts: self.counts_for_receiver, hidden: self.hidden_from_receiver })
        } else {
            None
        }
    }

    /// True once somebody has deleted it, which is a change too.
    pub fn is_deleted(&self) -> bool {
        self.hidden || self.hidden_from_sender || self.hidden_from_receiver
    }
}

/// An answer, and the moment at which exactly it was true, on transaction-service's clock, if it names one.
pub type AsOf<T> = (T, Option<DateTime<Utc>>);

/// How far the feed has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub changed_at: DateTime<Utc>,
    pub id: i64,
}

/// Reads transactions.
#[derive(Clone)]
pub struct TransactionClient(ServiceClient);

impl TransactionClient {
    /// A client of transaction-service.
    pub fn new(service: ServiceClient) -> Self {
        Self(service)
    }

    /// The transaction `id`; `None` if there is none.
    pub async fn find(&self, id: TransactionId) -> Result<Option<Change>, CallError> {
        match self.0.get(point!("call.transaction"), &format!("/internal/transactions/{id}"), &()).await {
            Ok(change) => Ok(Some(change)),
            Err(error) if error.has_code(Code::TransactionNotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A page of changes after `position`. A page that is not full is the last.
    pub async fn changes(&self, position: Position) -> Result<Vec<Change>, CallError> {
        let query = [
            ("since", position.changed_at.to_rfc3339_opts(SecondsFormat::Micros, true)),
            ("after_id", position.id.to_string()),
            ("limit", PAGE.to_string()),
        ];
        self.0.get(point!("call.changes"), "/internal/transactions", &query).await
    }

    /// The newest change that shows at a moment; `None` if there are no transactions.
    pub async fn newest(&self) -> Result<AsOf<Option<Change>>, CallError> {
        self.0.get_as_of(point!("call.newest"), "/internal/transactions/newest", &()).await
    }

    /// At most `limit` transactions of `user` with an id below `before`, newest first. Fewer are the last. The first page names
    /// the moment at which it was true.
    pub async fn of_user(
        &self,
        user: UserId,
        before: Option<TransactionId>,
        limit: usize,
    ) -> Result<AsOf<Vec<Change>>, CallError> {
        let mut query = vec![("limit", limit.to_string())];
        query.extend(before.map(|id| ("before_id", id.to_string())));
        self.0.get_as_of(point!("call.of_user"), &format!("/internal/transactions/user/{user}"), &query).await
    }

    /// The transactions `ids`, at most [`MAX_IDS`].
    pub async fn batch(&self, ids: &[TransactionId]) -> Result<Vec<Change>, CallError> {
        let ids = ids.iter().map(TransactionId::to_string).collect::<Vec<_>>().join(",");
        self.0.get(point!("call.batch"), "/internal/transactions/batch", &[("ids", ids)]).await
    }
}
