//! What all accounts have together, added up now and then.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use common::{
    Result, codes,
    reads::{ReadPool, USER_LOCK_TIMEOUT},
};
use tokio::{sync::Mutex, time::timeout};

use crate::store::totals::{Totals, add_up};

/// How long what was added up is answered again, at least.
const FRESH: Duration = Duration::from_secs(10);
/// And how many times as long as the adding took: it takes a tenth of one connection's time at most.
const REST: u32 = 9;

/// The totals, which requests share. Cheap to clone.
#[derive(Clone)]
pub struct WalletTotals {
    reads: ReadPool,
    last: Arc<Mutex<Option<Kept>>>,
}

struct Kept {
    totals: Totals,
    moment: DateTime<Utc>,
    fresh_until: Instant,
}

impl WalletTotals {
    /// Of the accounts that `reads` reads.
    pub fn new(reads: ReadPool) -> Self {
        Self { reads, last: Arc::default() }
    }

    /// The totals, and the moment at which they were so. Those who ask while they are added up wait for the same sum, and are answered
    /// 503 if that takes long.
    pub async fn at(&self) -> Result<(Totals, DateTime<Utc>)> {
        let mut last = timeout(USER_LOCK_TIMEOUT, self.last.lock()).await.map_err(|_| codes::OVERLOADED)?;
        let begun = Instant::now();
        if let Some(kept) = last.as_ref().filter(|kept| begun < kept.fresh_until) {
            return Ok((kept.totals, kept.moment));
        }
        let (totals, moment) = add_up(&mut *self.reads.acquire().await?).await?;
        let fresh_until = Instant::now() + FRESH.max(begun.elapsed() * REST);
        *last = Some(Kept { totals, moment, fresh_until });
        Ok((totals, moment))
    }
}
