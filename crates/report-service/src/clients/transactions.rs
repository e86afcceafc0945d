//! transaction-service, as the source of transactions.

use chrono::{DateTime, SecondsFormat, Utc};
use common::{
    Amount, TransactionId, UserId,
    http::client::{CallError, ServiceClient},
};
use serde::{Deserialize, Serialize};

/// Changes on a page of the feed.
pub const PAGE: usize = 500;

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::EnumString, strum::IntoStaticStr)]
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

/// A transaction as the feed tells it.
#[derive(Debug, Clone, Deserialize)]
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
}

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
        match self.0.get(&format!("/internal/transactions/{id}"), &()).await {
            Ok(change) => Ok(Some(change)),
            Err(error) if error.has_code("transaction_not_found") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A page of changes after `position`, only those of `user` if that is given. A page that is not full is the last.
    pub async fn changes(&self, position: Position, user: Option<UserId>) -> Result<Vec<Change>, CallError> {
        let mut query = vec![
            ("since", position.changed_at.to_rfc3339_opts(SecondsFormat::Micros, true)),
            ("after_id", position.id.to_string()),
            ("limit", PAGE.to_string()),
        ];
        query.extend(user.map(|id| ("user_id", id.to_string())));
        self.0.get("/internal/transactions", &query).await
    }
}
