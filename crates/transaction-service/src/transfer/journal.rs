//! Where intents and changes of transactions are written. Those that wait together share one commit, whichever they are:
//! under load the outcomes of one round are written with the intents of the next.

use std::sync::Arc;

use common::{
    bulk::Script,
    context::Origin,
    db::{self, DbError},
    group_commit::{GroupCommit, GroupError, Turn},
    point, time,
};
use sqlx::MySqlPool;

use super::{Change, Terms, Transaction};
use crate::store::{
    changes::{self, Changed, Wish},
    intents::{self, Inserted, Intent},
};

/// Batches under way at once, from their beginning on: they hardly ever touch the same rows.
const LANES: usize = 2;

/// What is to be written.
#[derive(Debug, Clone)]
enum Entry {
    Intent(Intent),
    Wish(Wish),
}

/// What became of an [`Entry`].
#[derive(Debug)]
enum Written {
    Intent(Inserted),
    Wish(Changed),
}

/// Writes transactions. Cheap to clone.
#[derive(Clone)]
pub struct Journal(GroupCommit<Entry, Written>);

impl Journal {
    /// Writes to `pool`, at most `max_batch` intents and changes in one commit.
    pub fn new(pool: MySqlPool, max_batch: usize, terms: Terms) -> Self {
        let terms = Arc::new(terms);
        Self(GroupCommit::start("journal", max_batch, LANES, move |entries, turn| {
            write(pool.clone(), entries, terms.clone(), turn)
        }))
    }

    /// Commits an intent.
    pub async fn insert(&self, intent: Intent) -> Result<Inserted, GroupError> {
        match self.0.submit(Entry::Intent(intent)).await? {
            Written::Intent(inserted) => Ok(inserted),
            Written::Wish(_) => unreachable!("an intent is answered as one"),
        }
    }

    /// Commits a change of the transaction that was last `seen` so, if its state allows it.
    pub async fn change(&self, seen: &Transaction, change: Change) -> Result<Changed, GroupError> {
        let wish = Wish { seen: seen.clone(), change, trace: Origin::current().trace };
        match self.0.submit(Entry::Wish(wish)).await? {
            Written::Wish(changed) => Ok(changed),
            Written::Intent(_) => unreachable!("a wish is answered as one"),
        }
    }
}

async fn write(pool: MySqlPool, entries: Arc<[Entry]>, terms: Arc<Terms>, turn: Turn) -> Result<Vec<Written>, DbError> {
    let (mut intents, mut wishes) = (Vec::new(), Vec::new());
    for entry in entries.iter() {
        match entry {
            Entry::Intent(intent) => intents.push(intent),
            Entry::Wish(wish) => wishes.push(wish),
        }
    }
    turn.pass();
    let (pool, intents, wishes, terms, now) = (&pool, &intents, &wishes, &terms, time::now());
    let (inserted, changed) = db::retry(|attempt| async move {
        let mut tx = db::begin(pool, point!("journal")).await?;
        let mut script = Script::default();
        // rows that exist are locked before new ones are made
        let changes = changes::draft(&mut tx, &mut script, wishes, now, terms, attempt).await?;
        let intents = intents::draft(&mut tx, &mut script, intents, attempt).await?;
        // a request that another instance writes at this moment waits at the unique key
        let written = script.execute(&mut tx).await.map_err(db::raced)?;
        let outcomes = (intents.confirm(&written), changes.confirm(&written)?);
        tx.commit().await?;
        Ok(outcomes)
    })
    .await?;
    let (mut inserted, mut changed) = (inserted.into_iter(), changed.into_iter());
    let written = entries.iter().map(|entry| match entry {
        Entry::Intent(_) => inserted.next().map(Written::Intent),
        Entry::Wish(_) => changed.next().map(Written::Wish),
    });
    Ok(written.map(|written| written.expect("each entry has its outcome")).collect())
}

#[cfg(test)]
mod tests;
