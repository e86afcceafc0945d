//! The background worker that clears away entries that are no longer read. A rebuild on request leaves some, so it runs where nothing is
//! taken over in the background as well.

use std::{sync::Arc, time::Duration};

use common::worker::Step;
use fault::point;
use mysql::lease::Holder;

use super::sync::Sync;
use crate::store::entry_feeds::{RETIRED_AFTER, clear, retired};

/// How often at least it is looked whether there is something to clear away.
pub const CLEARED_EVERY: Duration = Duration::from_secs(RETIRED_AFTER as u64);
/// Held by the instance that does it. If it runs out, two delete the same rows, which does no harm.
const LEASE: &str = "entries_clear";

/// The worker.
#[derive(Clone)]
pub struct Clearing {
    sync: Sync,
    holder: Arc<Holder>,
}

impl Clearing {
    /// A worker for `sync`.
    pub fn new(sync: Sync) -> Self {
        Self { sync, holder: Arc::new(Holder::new()) }
    }

    /// Deletes a part of what is no longer read, if no other instance is at it. Idle if there is nothing.
    pub async fn run_once(&self) -> anyhow::Result<Step> {
        let pool = &self.sync.pool;
        let Some(generation) = retired(&mut *pool.acquire().await?).await? else { return Ok(Step::Idle) };
        if !self.sync.hold(LEASE, &self.holder).await? {
            return Ok(Step::Idle);
        }
        mysql::retry(|_| async {
            let mut tx = mysql::begin(pool, point!("entries.clear")).await?;
            clear(tx.conn().await?, generation).await?;
            tx.commit().await
        })
        .await?;
        Ok(Step::Worked)
    }
}
