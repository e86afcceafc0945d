//! Summaries.

use axum::extract::State;
use common::{Result, as_of::AsOf, caller::Viewer};
use money::UserId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{
    app::sync::{Sync, Told},
    store::summaries::Totals,
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
    total_spent: money::Money,
    total_received: money::Money,
    last_transaction: Option<chrono::DateTime<chrono::Utc>>,
}

/// `GET /summaries/user/{user_id}`: how often and how much the user has paid and been paid.
pub async fn show(Viewer { user: user_id, .. }: Viewer, State(sync): State<Sync>) -> Result<AsOf<Summary>> {
    let is_certain = sync.must_exist(user_id).await?;
    let Told { totals, moment, is_present } = sync.totals(user_id).await?;
    let Totals { total_transactions, total_spent, total_received, last_transaction } = totals;
    let summary = Summary { user_id, total_transactions, total_spent, total_received, last_transaction };
    Ok(AsOf(summary, (!is_present || !is_certain).then_some(moment)))
}
