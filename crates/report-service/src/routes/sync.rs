//! Synchronization on request.

use axum::extract::State;
use chrono::{DateTime, Utc};
use common::{Result, caller::Service, extract::Json, time};
use schemars::JsonSchema;
use serde::Serialize;

use crate::sync::Sync;

/// What a synchronization took over.
#[derive(Serialize, JsonSchema)]
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
