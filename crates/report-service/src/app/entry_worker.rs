//! The background worker that takes entries over.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use common::worker::Step;
use mysql::lease::Holder;

use super::{sync::Sync, take_over::Limits};
use crate::store::entry_feeds::Reading;

/// How long a step takes entries over.
const STRETCH: Duration = Duration::from_millis(100);
/// How many times as long it rests then while user-service serves others: nine tenths of the time are left to those who move money.
const REST: u32 = 9;
/// The pause before it is looked again whether what may yet be committed has been.
const HELD_UP: Duration = Duration::from_secs(1);
/// Held by the instance that does it. If it runs out, two take over the same entries, which does no harm.
const LEASE: &str = "entries";

/// The worker.
#[derive(Clone)]
pub struct EntryWorker {
    sync: Sync,
    holder: Arc<Holder>,
}

impl EntryWorker {
    /// A worker for `sync`.
    pub fn new(sync: Sync) -> Self {
        Self { sync, holder: Arc::new(Holder::new()) }
    }

    /// Takes over a few pages, if no other instance is at it. Idle after the last one.
    pub async fn run_once(&self) -> anyhow::Result<Step> {
        if !self.sync.hold(LEASE, &self.holder).await? {
            return Ok(Step::Idle);
        }
        let begun = Instant::now();
        let progress = self.sync.repair_or_take_over(Reading::Entries, Limits::stretch(STRETCH)).await?;
        if !progress.is_end {
            if progress.is_held_up {
                tokio::time::sleep(HELD_UP).await;
            } else if progress.is_serving {
                tokio::time::sleep(begun.elapsed().min(STRETCH) * REST).await;
            }
            return Ok(Step::Worked);
        }
        self.sync.release(LEASE, &self.holder).await?;
        Ok(Step::Idle)
    }
}
