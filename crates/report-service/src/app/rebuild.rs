//! The entries anew, from the first one, beside those that are read meanwhile.

use std::time::Duration;

use chrono::DateTime;
use fault::point;
use mysql::DbError;

use super::{
    full_sync::FullRun,
    sync::{RunError, Sync},
    take_over::Limits,
};
use crate::store::entry_feeds::{self as store, Feed, Reading};

/// How long the rebuild reads on before the run's lease is renewed.
const STRETCH: Duration = Duration::from_secs(1);
/// The pause before it is asked again for what has not come yet.
const PAUSE: Duration = Duration::from_millis(100);

impl FullRun<'_> {
    /// Reads the feed from the beginning, and lets what came of it be read once it has come as far as what is read now.
    pub(super) async fn rebuild_entries(&mut self) -> Result<(), RunError> {
        let sync = self.sync;
        let generation = sync.begin_rebuild().await?;
        let reading = if generation.is_some() { Reading::Rebuild } else { Reading::Entries };
        loop {
            let progress = sync.take_over_entries(reading, Limits::stretch(STRETCH)).await?;
            self.renew().await?;
            if progress.is_end {
                return match generation {
                    Some(generation) => sync.switch_to_rebuild(generation).await,
                    None => Ok(()),
                };
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Sync {
    /// Begins a generation beside the one that is read, and returns it; `None` if none is read yet.
    async fn begin_rebuild(&self) -> Result<Option<i32>, DbError> {
        mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.pool, point!("entries.rebuild")).await?;
            let Some(feed) = store::lock(&mut tx, Reading::Entries).await? else { return Ok(None) };
            let died = store::lock(&mut tx, Reading::Rebuild).await?;
            let generation = died.map_or(feed.generation, |died| died.generation.max(feed.generation)) + 1;
            let nothing = Feed { generation, position: 0, true_at: DateTime::UNIX_EPOCH, oldest: feed.oldest };
            store::begin(&mut tx, Reading::Rebuild, nothing);
            tx.commit().await?;
            Ok(Some(generation))
        })
        .await
    }

    /// Lets the rebuild of this generation be read, which has come to the end of the ledger. What is read now may be ahead of it by what was
    /// committed since, or by what a ledger that was restored from a backup no longer has: the next page is read from where the rebuild is.
    async fn switch_to_rebuild(&self, generation: i32) -> Result<(), RunError> {
        let is_read = mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.pool, point!("entries.switch")).await?;
            let is_read = store::switch(&mut tx, generation).await?;
            tx.commit().await?;
            Ok::<_, DbError>(is_read)
        });
        if is_read.await? { Ok(()) } else { Err(RunError::LeaseLost) }
    }
}
