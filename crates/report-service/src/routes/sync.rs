//! Synchronization on request.

use axum::extract::State;
use chrono::{DateTime, Utc};
use common::{Result, caller::Service, extract::Json};
use money::time;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::app::sync::Sync;

/// What a synchronization took over.
#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({
    "message": "Reports synchronized successfully",
    "synced_users": 50,
    "synced_transactions": 200,
    "timestamp": "2025-11-12T10:30:00.000000Z",
}))]
pub struct Synced {
    message: &'static str,
    synced_users: u64,
    synced_transactions: u64,
    timestamp: DateTime<Utc>,
}

/// `POST /sync/all`: takes over every user and every transaction; it goes on when the client hangs up.
pub async fn all(_: Service, State(sync): State<Sync>) -> Result<Json<Synced>> {
    let synced = sync.run_all().await?;
    Ok(Json(Synced {
        message: "Reports synchronized successfully",
        synced_users: synced.users,
        synced_transactions: synced.transactions,
        timestamp: time::now(),
    }))
}
