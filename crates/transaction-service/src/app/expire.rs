//! Pending transactions whose time is over are cancelled.

use common::worker::Step as WorkerStep;

use super::{
    decide::Decided,
    settle::{MAX_STEPS, Settler},
};
use crate::{
    domain::{decision::Ruling, state::Status},
    store::transactions as store,
};

impl Settler {
    /// Cancels one batch of expired transactions.
    pub async fn expire_once(&self) -> anyhow::Result<WorkerStep> {
        let expired = store::expired(&mut *self.pool.acquire().await?, MAX_STEPS).await?;
        for pending in &expired {
            let id = pending.id;
            match self.transfers.decide(pending, Ruling::expiry()).await {
                // user-service is silent: the settler goes on with this one, and the others wait for their turn
                Ok(Decided::Stands(row)) if row.status() == Status::Processing => return Ok(WorkerStep::Idle),
                Ok(_) => tracing::info!(transaction = %id, "expired"),
                Err(error) => anyhow::bail!("transaction {id} could not be cancelled: {}", error.body()),
            }
        }
        Ok(if expired.is_empty() { WorkerStep::Idle } else { WorkerStep::Worked })
    }
}
