//! The settler: brings every transaction whose outcome is outstanding to its end, and lets pending ones expire.
//!
//! It asks for the outstanding verb again, under the same identity, and never decides by looking: "not found" proves
//! nothing while the first call may still arrive. It never gives up.

use std::time::Duration;

use common::{TransactionId, context, db, http::client::CallError, lease::Holder, time, worker::Step as Turn};
use sqlx::MySqlPool;

use crate::{
    store::transactions as store,
    transfer::{Decision, Transfers},
};

/// How often the settler looks for overdue steps.
pub const SETTLE_PAUSE: Duration = Duration::from_secs(1);
/// Steps that are asked for in one call.
const MAX_STEPS: u32 = 100;

/// Settles what is overdue.
pub struct Settler {
    pool: MySqlPool,
    transfers: Transfers,
    holder: Holder,
}

impl Settler {
    /// A settler for the transactions in `pool`.
    pub fn new(pool: MySqlPool, transfers: Transfers) -> Self {
        Self { pool, transfers, holder: Holder::new() }
    }

    /// Settles one batch of overdue steps and one of expired transactions.
    pub async fn run_once(&self) -> anyhow::Result<Turn> {
        let settled = self.settle().await?;
        let expired = self.expire().await?;
        let full = u32::try_from(settled.max(expired))? >= MAX_STEPS;
        Ok(if full { Turn::Worked } else { Turn::Idle })
    }

    async fn settle(&self) -> anyhow::Result<usize> {
        let mut conn = self.pool.acquire().await?;
        let rows = store::claim_overdue(&mut conn, self.holder.as_str(), MAX_STEPS).await?;
        drop(conn); // no connection is kept during a call
        let (rows, steps): (Vec<_>, Vec<_>) =
            rows.into_iter().filter_map(|row| row.outstanding().map(|step| (row, step))).unzip();
        if steps.is_empty() {
            return Ok(0);
        }
        match self.transfers.execute(&steps).await {
            Ok(outcomes) => {
                for (row, outcome) in rows.iter().zip(outcomes) {
                    let settled = self.transfers.record(row, outcome, time::now()).await?;
                    tracing::info!(transaction = %row.id, status = ?settled.status, "settled");
                }
            }
            Err(error @ CallError::NotReached { .. }) => {
                let ids: Vec<TransactionId> = rows.iter().map(|row| row.id).collect();
                db::retry(|| async { Ok(store::postpone(&mut *self.pool.acquire().await?, &ids).await?) }).await?;
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        }
        Ok(rows.len())
    }

    async fn expire(&self) -> anyhow::Result<usize> {
        let expired = store::expired(&mut *self.pool.acquire().await?, MAX_STEPS).await?;
        for id in &expired {
            let decided = context::detach({
                let (transfers, id) = (self.transfers.clone(), *id);
                async move { transfers.decide(id, Decision::Cancel, None, false).await }
            });
            if let Err(error) = decided.await? {
                anyhow::bail!("transaction {id} could not be cancelled: {}", error.body());
            }
            tracing::info!(transaction = %id, "expired");
        }
        Ok(expired.len())
    }
}
