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
        let reading = if sync.begin_rebuild().await? { Reading::Rebuild } else { Reading::Entries };
        loop {
            let progress = sync.take_over_entries(reading, Limits::stretch(STRETCH)).await?;
            self.renew().await?;
            if progress.is_end {
                if reading == Reading::Rebuild {
                    sync.switch_to_rebuild().await?;
                }
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Sync {
    /// Begins a generation beside the one that is read; false if there is none yet.
    async fn begin_rebuild(&self) -> Result<bool, DbError> {
        mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.pool, point!("entries.rebuild")).await?;
            let Some(feed) = store::lock(&mut tx, Reading::Entries).await? else { return Ok(false) };
            let died = store::lock(&mut tx, Reading::Rebuild).await?;
            let generation = died.map_or(feed.generation, |died| died.generation.max(feed.generation)) + 1;
            let nothing = Feed { generation, position: 0, true_at: DateTime::UNIX_EPOCH, oldest: feed.oldest };
            store::begin(&mut tx, Reading::Rebuild, nothing);
            tx.commit().await?;
            Ok(true)
        })
        .await
    }

    /// Lets the rebuild be read, which has come to the end of the ledger. What is read now may be ahead of it by what was committed
    /// since, or by what a ledger that was restored from a backup no longer has: the next page is read from where the rebuild is.
    async fn switch_to_rebuild(&self) -> Result<(), DbError> {
        mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.pool, point!("entries.switch")).await?;
            store::lock(&mut tx, Reading::Entries).await?;
            let Some(rebuilt) = store::lock(&mut tx, Reading::Rebuild).await? else {
                // a commit whose answer never came has switched, or another rebuild has come to its end
                return Ok(());
            };
            store::switch(&mut tx, rebuilt);
            tx.commit().await
        })
        .await
    }
}
