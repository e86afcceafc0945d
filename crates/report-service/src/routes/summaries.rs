//! Summaries.

use axum::extract::State;
use common::{Result, UserId, caller::Viewer};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use sqlx::MySqlPool;

use super::{Copied, must_exist};
use crate::{
    clients::UserClient,
    store::copies::{self, Totals},
    sync::Sync,
};

#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({
    "user_id": 1,
    "total_transactions": 15,
    "total_spent": 150_000,
    "total_received": 250_000,
    "last_transaction": "2025-11-12T10:30:00.000000Z",
}))]
pub struct Summary {
    user_id: UserId,
    total_transactions: i64,
    total_spent: common::Money,
    total_received: common::Money,
    last_transaction: Option<chrono::DateTime<chrono::Utc>>,
}

/// `GET /summaries/user/{user_id}`: how often and how much the user has paid and been paid.
pub async fn show(
    Viewer { user: user_id, .. }: Viewer,
    State(pool): State<MySqlPool>,
    State(users): State<UserClient>,
    State(sync): State<Sync>,
) -> Result<Copied<Summary>> {
    let away = must_exist(&pool, &users, user_id).await?;
    let stale = sync.refresh(user_id).await?.or(away);
    let Totals { total_transactions, total_spent, total_received, last_transaction } =
        copies::totals(&mut *pool.acquire().await?, user_id).await?;
    let summary = Summary { user_id, total_transactions, total_spent, total_received, last_transaction };
    Ok(Copied(summary, stale))
}
