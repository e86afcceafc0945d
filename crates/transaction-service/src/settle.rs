//! The settler: brings every transaction whose outcome is outstanding to its end, and lets pending ones expire.
//!
//! It asks for the outstanding verb again, under the same identity, and never decides by looking: "not found" proves
//! nothing while the first call may still arrive. It never gives up.

use std::time::Duration;

use common::{
    db,
    http::client::CallError,
    monitoring::{number, seconds, show},
    point,
    worker::{Pace, Rest, Step as Turn},
};
use futures::future::join_all;
use sqlx::MySqlPool;

use crate::{
    store::transactions as store,
    transfer::{Decided, Ruling, Status, Transaction, Transfers},
};

/// The settler looks for overdue steps twice a second: whoever waits for it has waited for seconds already.
pub const SETTLE_PACE: Pace = Pace { idle: Duration::from_millis(500), rest: Rest::Never };
/// What has expired is looked for every second.
pub const EXPIRY_PACE: Pace = Pace { idle: Duration::from_secs(1), rest: Rest::Never };
/// Steps that are claimed at a time.
const MAX_STEPS: u32 = 100;

/// Shows how many transactions wait for user-service, and for how long.
pub async fn measure(pool: &MySqlPool) -> sqlx::Result<()> {
    let (unsettled, oldest) = store::unsettled(&mut *pool.acquire().await?).await?;
    show("transactions_unsettled", "Transactions whose outcome is outstanding", number(unsettled));
    show("transactions_oldest_unsettled_seconds", "How long the oldest of them has been so", seconds(oldest));
    Ok(())
}

/// Settles what is overdue and cancels what has expired.
pub struct Settler {
    pool: MySqlPool,
    transfers: Transfers,
}

impl Settler {
    /// A settler for the transactions in `pool`.
    pub fn new(pool: MySqlPool, transfers: Transfers) -> Self {
        Self { pool, transfers }
    }

    /// Asks for one batch of overdue steps and stores the outcomes.
    pub async fn settle_once(&self) -> anyhow::Result<Turn> {
        let overdue = store::overdue(&mut *self.pool.acquire().await?, MAX_STEPS).await?;
        if overdue.is_empty() {
            return Ok(Turn::Idle);
        }
        let claimed = db::retry(|_| async {
            let mut tx = db::begin(&self.pool, point!("overdue")).await?;
            let claimed = store::claim_overdue(&mut tx, &overdue).await?;
            tx.commit().await?;
            Ok(claimed)
        })
        .await?;
        for settled in join_all(claimed.into_iter().map(|row| self.settle(row))).await {
            settled?;
        }
        Ok(Turn::Worked)
    }

    async fn settle(&self, row: Transaction) -> anyhow::Result<()> {
        let Some(step) = row.outstanding() else { return Ok(()) };
        match self.transfers.execute(step).await {
            Ok(outcome) => {
                let settled = self.transfers.record(&row, outcome).await?;
                tracing::info!(transaction = %row.id, status = ?settled.status, "settled");
                Ok(())
            }
            Err(error) => {
                if matches!(error, CallError::NotReached { .. }) {
                    db::retry(|_| async {
                        let mut tx = db::begin(&self.pool, point!("postpone")).await?;
                        store::postpone(&mut tx, row.id).await?;
                        tx.commit().await
                    })
                    .await?;
                }
                Err(error.into())
            }
        }
    }

    /// Cancels one batch of expired transactions.
    pub async fn expire_once(&self) -> anyhow::Result<Turn> {
        let expired = store::expired(&mut *self.pool.acquire().await?, MAX_STEPS).await?;
        for pending in &expired {
            let id = pending.id;
            match self.transfers.decide(pending, Ruling::expiry()).await {
                // user-service is silent: the settler goes on with this one, and the others wait for their turn
                Ok(Decided::Stands(row)) if row.status == Status::Processing => return Ok(Turn::Idle),
                Ok(_) => tracing::info!(transaction = %id, "expired"),
                Err(error) => anyhow::bail!("transaction {id} could not be cancelled: {}", error.body()),
            }
        }
        Ok(if expired.is_empty() { Turn::Idle } else { Turn::Worked })
    }
}
