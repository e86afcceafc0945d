//! Batches of intents and changes of transactions. Those that wait together share one commit, whichever they are:
//! under load the outcomes of one round are written with the intents of the next.

use std::sync::Arc;

use batch::{BatchError, Batcher, Baton};
use common::origin::Origin;
use fault::point;
use money::time;
use mysql::DbError;
use sqlx::MySqlPool;

use super::{changes, intents};
use crate::domain::{
    intent::{Inserted, Intent},
    transaction::Transaction,
    transition::{ChangeRequest, Changed, Transition},
};

/// Batches under way at once, from their beginning on: they hardly ever touch the same rows. More if the database is far away.
const LANES: usize = 2;

/// What is to be written.
#[derive(Debug, Clone)]
enum Write {
    Intent(Box<Intent>),
    Change(Box<ChangeRequest>),
}

/// What became of a [`Write`].
#[derive(Debug)]
enum Written {
    Intent(Inserted),
    Change(Changed),
}

/// Writes transactions. Cheap to clone.
#[derive(Clone)]
pub struct Writer(Batcher<Write, Written, DbError>);

impl Writer {
    /// Writes to `pool`, at most `max_batch` intents and changes in one commit. A pending transaction is cancelled
    /// `pending_ttl` seconds after the money was set aside.
    pub fn new(pool: MySqlPool, max_batch: usize, pending_ttl: u32) -> Self {
        Self(Batcher::start(
            "writes",
            max_batch,
            || mysql::lanes(LANES),
            DbError::is_unavailable,
            move |writes, baton| write(pool.clone(), writes, pending_ttl, baton),
        ))
    }

    /// Commits an intent.
    pub async fn insert(&self, intent: Intent) -> Result<Inserted, BatchError<DbError>> {
        match self.0.submit(Write::Intent(Box::new(intent))).await? {
            Written::Intent(inserted) => Ok(inserted),
            Written::Change(_) => unreachable!("an intent is answered as one"),
        }
    }

    /// Commits a transition of the transaction that was last `seen` so, if its state allows it.
    /// If that is a refund, `refunded` is the transaction that it is of.
    pub async fn change(
        &self,
        seen: &Transaction,
        refunded: Option<Transaction>,
        transition: Transition,
    ) -> Result<Changed, BatchError<DbError>> {
        let request = ChangeRequest { seen: seen.clone(), refunded, transition, origin: Origin::current() };
        match self.0.submit(Write::Change(Box::new(request))).await? {
            Written::Change(changed) => Ok(changed),
            Written::Intent(_) => unreachable!("a change is answered as one"),
        }
    }
}

async fn write(pool: MySqlPool, writes: Arc<[Write]>, pending_ttl: u32, baton: Baton) -> Result<Vec<Written>, DbError> {
    let (mut intents, mut requests) = (Vec::new(), Vec::new());
    for write in writes.iter() {
        match write {
            Write::Intent(intent) => intents.push(&**intent),
            Write::Change(request) => requests.push(&**request),
        }
    }
    baton.pass();
    let (pool, intents, requests, now) = (&pool, &intents, &requests, time::now());
    let (inserted, changed) = mysql::retry(|attempt| async move {
        let mut tx = mysql::begin(pool, point!("writes")).await?;
        // rows that exist are locked before new ones are made
        let changed = changes::plan(&mut tx, requests, now, pending_ttl, attempt).await?;
        let intents = intents::plan(&mut tx, intents, attempt).await?;
        // a request that another instance writes at this moment waits at the unique key; and if this commit is late, a second run
        // waits there for it, so that a key which is free again is never taken by what was given up
        let ids = if intents.is_empty() { Vec::new() } else { tx.flush_for_ids().await? };
        intents.label(&mut tx, &ids);
        tx.commit().await?;
        Ok((intents.outcomes(&ids), changed))
    })
    .await?;
    let (mut inserted, mut changed) = (inserted.into_iter(), changed.into_iter());
    let written = writes.iter().map(|write| match write {
        Write::Intent(_) => inserted.next().map(Written::Intent),
        Write::Change(_) => changed.next().map(Written::Change),
    });
    Ok(written.map(|written| written.expect("each write has its outcome")).collect())
}

#[cfg(test)]
mod tests;
