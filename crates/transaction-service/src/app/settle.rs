//! The settler: brings every transaction whose outcome is outstanding to its end.
//!
//! It asks for the outstanding verb again, under the same identity, and never decides by looking: "not found" proves
//! nothing while the first call may still arrive. It never gives up.

use common::{
    client::CallError,
    monitoring::{number, seconds, show},
    worker::Step as WorkerStep,
};
use fault::point;
use futures::future::join_all;
use sqlx::MySqlPool;

use super::transfers::Transfers;
use crate::{
    domain::transaction::Transaction,
    store::transactions::{self as store, Overdue},
};

/// Steps that are claimed at a time.
pub(super) const MAX_STEPS: u32 = 100;

/// Shows how many transactions wait for user-service, and for how long.
pub async fn measure(pool: &MySqlPool) -> sqlx::Result<()> {
    let (unsettled, oldest) = store::unsettled(&mut *pool.acquire().await?).await?;
    show("transactions_unsettled", "Transactions whose outcome is outstanding", number(unsettled));
    show("transactions_oldest_unsettled_seconds", "How long the oldest of them has been so", seconds(oldest));
    Ok(())
}

/// Settles what is overdue and cancels what has expired.
pub struct Settler {
    pub(super) pool: MySqlPool,
    pub(super) transfers: Transfers,
}

impl Settler {
    /// A settler for the transactions in `pool`.
    pub fn new(pool: MySqlPool, transfers: Transfers) -> Self {
        Self { pool, transfers }
    }

    /// Asks for one batch of overdue steps and stores the outcomes.
    pub async fn settle_once(&self) -> anyhow::Result<WorkerStep> {
        let Overdue { steps: overdue, batches } = store::overdue(&mut *self.pool.acquire().await?, MAX_STEPS).await?;
        for settled in join_all(batches.iter().map(|id| self.transfers.settle_overdue_batch(*id))).await {
            settled?;
        }
        if overdue.is_empty() {
            return Ok(if batches.is_empty() { WorkerStep::Idle } else { WorkerStep::Worked });
        }
        let claimed = mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.pool, point!("overdue")).await?;
            let claimed = store::claim_overdue(tx.conn().await?, &overdue).await?;
            tx.commit().await?;
            Ok(claimed)
        })
        .await?;
        for settled in join_all(claimed.into_iter().map(|row| self.settle(row))).await {
            settled?;
        }
        Ok(WorkerStep::Worked)
    }

    async fn settle(&self, row: Transaction) -> anyhow::Result<()> {
        let Some(step) = row.outstanding() else { return Ok(()) };
        match self.transfers.execute(step).await {
            Ok(outcome) => {
                let settled = self.transfers.record(&row, outcome).await?;
                tracing::info!(transaction = %row.id, status = ?settled.status(), "settled");
                Ok(())
            }
            Err(error) => {
                if matches!(error, CallError::NotReached { .. }) {
                    mysql::retry(|_| async {
                        let mut tx = mysql::begin(&self.pool, point!("postpone")).await?;
                        store::postpone(tx.conn().await?, row.id).await?;
                        tx.commit().await
                    })
                    .await?;
                }
                Err(error.into())
            }
        }
    }
}
