//! The feed of changes, for report-service.

use axum::extract::State;
use chrono::{DateTime, Utc};
use common::{
    Amount, ApiError, Result, TransactionId, UserId,
    caller::Service,
    extract::{Json, Path, Query},
    time::Moment,
};
use serde::{Deserialize, Serialize};
use sqlx::MySqlPool;

use super::transaction_not_found;
use crate::{
    store::{
        feed::{self, Position},
        transactions as store,
    },
    transfer::{Status, Transaction},
};

/// The most changes in one answer.
const MAX_CHANGES: u32 = 1000;

/// `GET /internal/transactions`: where the reader stands, and whose transactions it wants.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedQuery {
    /// Changed at this moment or later.
    since: Moment,
    /// Of those changed at exactly that moment, only ids above this one.
    #[serde(default)]
    after_id: i64,
    user_id: Option<UserId>,
    limit: Option<u32>,
}

/// A transaction as the feed tells it.
#[derive(Serialize)]
pub struct Change {
    id: TransactionId,
    sender_id: UserId,
    receiver_id: UserId,
    amount: Amount,
    status: Status,
    version: i32,
    created_at: DateTime<Utc>,
    changed_at: DateTime<Utc>,
    hidden: bool,
}

impl From<Transaction> for Change {
    fn from(row: Transaction) -> Self {
        Self {
            id: row.id,
            sender_id: row.sender_id,
            receiver_id: row.receiver_id,
            amount: row.amount,
            status: row.status,
            version: row.version,
            created_at: row.created_at,
            changed_at: row.changed_at,
            hidden: row.is_hidden(),
        }
    }
}

/// `GET /internal/transactions`: changes in order, hidden transactions included. A short answer is the end for now.
pub async fn changes(
    _: Service,
    State(pool): State<MySqlPool>,
    Query(query): Query<FeedQuery>,
) -> Result<Json<Vec<Change>>> {
    let limit = query.limit.unwrap_or(MAX_CHANGES);
    if !(1..=MAX_CHANGES).contains(&limit) {
        return Err(ApiError::invalid("limit", format!("must be a whole number from 1 to {MAX_CHANGES}")));
    }
    let position = Position { changed_at: query.since.0, id: query.after_id };
    let rows = feed::changes(&mut *pool.acquire().await?, query.user_id, position, limit).await?;
    Ok(Json(rows.into_iter().map(Change::from).collect()))
}

/// `GET /internal/transactions/{id}`
pub async fn show(_: Service, Path(id): Path<TransactionId>, State(pool): State<MySqlPool>) -> Result<Json<Change>> {
    let row = store::find(&mut *pool.acquire().await?, id).await?.filter(|row| !row.is_hidden());
    row.map(|row| Json(row.into())).ok_or_else(transaction_not_found)
}
