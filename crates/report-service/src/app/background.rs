//! The background run: what changed since the last one, a page at a time.

use common::worker::{Rest, Step};
use mysql::lease::Holder;
use tokio::sync::Mutex;

use super::{run::Run, sync::Sync};

/// After a page the run rests nine times as long as the page took: nine tenths of the time are left to those who move
/// money.
pub const BACKGROUND_REST: Rest = Rest::Always(9);
/// Held from the first page of a run to the last. If it runs out during a long rest, two instances take over the same
/// changes, which does no harm.
const LEASE: &str = "sync";

/// The worker that does the background run.
pub struct Background {
    sync: Sync,
    holder: Holder,
    /// The run under way, between two of its pages.
    run: Mutex<Option<Run>>,
}

impl Background {
    /// A worker for `sync`.
    pub fn new(sync: Sync) -> Self {
        Self { sync, holder: Holder::new(), run: Mutex::new(None) }
    }

    /// Takes over one page, if no other instance is at it. Idle after the last page of a run. After a failure the next
    /// run starts a little before the page that failed.
    pub async fn run_once(&self) -> anyhow::Result<Step> {
        let mut under_way = self.run.lock().await;
        let run = under_way.take();
        if !self.sync.hold(LEASE, &self.holder).await? {
            return Ok(Step::Idle);
        }
        let run = match run {
            Some(run) => run,
            None => self.sync.run_from_the_last().await?,
        };
        let page = self.sync.transactions.changes(run.position).await?;
        self.sync.take_over_page(run, &page).await?;
        tracing::debug!(taken = page.len(), "taken over");
        *under_way = run.after(&page);
        if under_way.is_some() {
            return Ok(Step::Worked);
        }
        self.sync.release(LEASE, &self.holder).await?;
        Ok(Step::Idle)
    }
}
