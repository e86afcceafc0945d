//! Synchronization on request.

use axum::extract::State;
use common::{Result, caller::Service, extract::Json, time};
use serde_json::{Value, json};

use crate::sync::Sync;

/// `POST /sync/all`: takes over every user and every transaction; it goes on when the client hangs up.
pub async fn all(_: Service, State(sync): State<Sync>) -> Result<Json<Value>> {
    let synced = sync.run_all().await?;
    Ok(Json(json!({
        "message": "Reports synchronized successfully",
        "synced_users": synced.users,
        "synced_transactions": synced.transactions,
        "timestamp": time::now(),
    })))
}
