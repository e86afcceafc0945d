//! Making payments together.

use std::collections::{BTreeSet, HashSet};

use common::{Result, caller::account::MAX_ASKED, client::CallError, origin::Origin};
use futures::future::{join_all, try_join_all};
use money::{BatchId, UserId};
use sqlx::MySqlConnection;

use super::transfers::Transfers;
use crate::{
    codes,
    domain::{
        batch::{Batch, Item, NewBatch},
        step::{Failure, Step, StepAnswer, StepOutcome},
        transaction::Transaction,
    },
    store::batches::{self, Inserted},
};

/// A batch, and what its items have come to.
pub struct Made {
    pub batch: Batch,
    pub items: Vec<Item>,
    /// True if the request had been carried out before.
    pub replayed: bool,
}

impl Transfers {
    /// Makes a batch, once for each request however often it is sent. Each item is refused alone; of an atomic one all are refused
    /// for the first that is.
    pub async fn make_batch(&self, new: NewBatch) -> Result<Made> {
        match batches::insert(&self.0.pool, &new).await? {
            Inserted::New(id, rows) => {
                if new.is_atomic {
                    self.settle_batch(id, &rows, true).await?;
                } else {
                    // whoever gets no answer here, the settler goes on with: an item that is given up could not be asked for again
                    join_all(rows.into_iter().map(|row| self.advance(row, false))).await;
                }
                let (batch, items) = self.find_batch(id).await?.ok_or(codes::BATCH_NOT_FOUND)?;
                Ok(Made { batch, items, replayed: false })
            }
            Inserted::Before(batch) => self.known_batch(batch, &new.request.fingerprint).await,
        }
    }

    /// What the request `identity` made, if it is known.
    pub async fn batch_of(&self, identity: &str, fingerprint: &[u8]) -> Result<Option<Made>> {
        let known = batches::find_request(&mut *self.0.pool.acquire().await?, identity).await?;
        match known {
            Some(batch) => self.known_batch(batch, fingerprint).await.map(Some),
            None => Ok(None),
        }
    }

    async fn known_batch(&self, batch: Batch, fingerprint: &[u8]) -> Result<Made> {
        if batch.fingerprint != fingerprint {
            return Err(codes::IDEMPOTENCY_KEY_REUSED.into());
        }
        let items = self.items(&mut *self.0.pool.acquire().await?, &batch).await?;
        Ok(Made { batch, items, replayed: true })
    }

    /// Those of `users` who have accounts.
    pub async fn existing(&self, users: BTreeSet<UserId>) -> Result<HashSet<UserId>> {
        let users: Vec<UserId> = users.into_iter().collect();
        let existing = try_join_all(users.chunks(MAX_ASKED).map(|asked| self.0.users.existing(asked))).await?;
        Ok(existing.into_iter().flatten().collect())
    }

    /// The batch `id`, with what its items have come to.
    pub async fn find_batch(&self, id: BatchId) -> Result<Option<(Batch, Vec<Item>)>> {
        let mut conn = self.0.pool.acquire().await?;
        let Some(batch) = batches::find(&mut conn, id).await? else { return Ok(None) };
        let items = self.items(&mut conn, &batch).await?;
        Ok(Some((batch, items)))
    }

    /// What the items of a batch have come to, and by what they exceed limits. For an atomic one that is kept under its first transaction, and
    /// is nobody's business if several pay.
    async fn items(&self, conn: &mut MySqlConnection, batch: &Batch) -> Result<Vec<Item>> {
        let mut items = batches::items(conn, batch.id).await?;
        let first = items.iter().find_map(Item::transaction).filter(|_| batch.is_atomic);
        if batch.is_atomic && !have_one_sender(&items) {
            return Ok(items);
        }
        for item in &mut items {
            if let Item::Made(row, exceeded) = item
                && row.state.failure() == Some(Failure::LimitExceeded)
            {
                *exceeded = self.0.standing.kept(first.unwrap_or(row.id));
            }
        }
        Ok(items)
    }

    /// Asks user-service for all of an atomic batch, and commits what came of it. If nobody knows, it stays as it is, and the settler
    /// asks again. If this `fresh` request was certainly not sent, the batch is given up.
    async fn settle_batch(&self, id: BatchId, rows: &[Transaction], fresh: bool) -> Result<()> {
        let steps: Vec<Step> = rows.iter().filter_map(Transaction::outstanding).collect();
        let outcome = match self.0.users.execute_batch(id, &steps).await {
            Ok(StepAnswer { outcome, exceeded }) => {
                if let (Some(exceeded), Some(first)) = (exceeded, rows.first()) {
                    self.0.standing.keep(first.id, exceeded);
                }
                outcome
            }
            Err(error @ (CallError::NotReached { .. } | CallError::Refused { .. })) if fresh => {
                tracing::warn!(batch = %id, %error, "nothing was sent");
                StepOutcome::Refused { code: Failure::NotReached }
            }
            Err(error) => {
                tracing::warn!(batch = %id, %error, "the settler will ask again");
                return Ok(());
            }
        };
        match batches::settle(&self.0.pool, id, rows, outcome, self.0.pending_ttl).await {
            Ok(true) if fresh => Err(codes::SERVICE_UNAVAILABLE.into()),
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::warn!(batch = %id, %error, "the settler will store the outcome");
                Ok(())
            }
        }
    }

    /// Settles an atomic batch that is overdue, if no other instance does.
    pub(super) async fn settle_overdue_batch(&self, id: BatchId) -> anyhow::Result<()> {
        if !batches::claim_overdue(&self.0.pool, id).await? {
            return Ok(());
        }
        let Some((_, items)) = self.find_batch(id).await.map_err(|error| anyhow::anyhow!("{}", error.body()))? else {
            return Ok(());
        };
        let made = |item: Item| match item {
            Item::Made(row, _) => Some(*row),
            Item::Faulty(_) => None,
        };
        let rows: Vec<Transaction> = items.into_iter().filter_map(made).collect();
        let settled = Origin::default().scope(self.settle_batch(id, &rows, false)).await;
        settled.map_err(|error| anyhow::anyhow!("{}", error.body()))?;
        tracing::info!(batch = %id, "settled");
        Ok(())
    }
}

fn have_one_sender(items: &[Item]) -> bool {
    let sender = |item: &Item| match item {
        Item::Made(row, _) => Some(row.sender_id),
        Item::Faulty(_) => None,
    };
    let senders: BTreeSet<UserId> = items.iter().filter_map(sender).collect();
    senders.len() == 1
}
