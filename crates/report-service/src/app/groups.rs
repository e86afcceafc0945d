//! What a user's entries of a period come to.

use chrono::{DateTime, Utc};
use common::{ApiError, Result};

use super::sync::Sync;
use crate::{
    codes,
    domain::{
        entry::Whose,
        groups::{Adder, GroupBy},
        period::ClosedPeriod,
    },
    store::entries::Pages,
};

/// The most entries that are added up for one request: a year of a busy account, and two seconds.
pub const MAX_ADDED: usize = 500_000;

impl Sync {
    /// Adds up the entries of a period, and says before which moment all that was committed is among them. 413 `too_many_entries` if
    /// they are more than [`MAX_ADDED`].
    pub async fn added_up(
        &self,
        whose: Whose,
        period: ClosedPeriod,
        by: Option<GroupBy>,
    ) -> Result<(Adder, DateTime<Utc>)> {
        self.must_have_existed(whose.user).await?;
        let mut snapshot = self.entries(Some(whose.user)).await?;
        let current = snapshot.current;
        let mut pages = Pages::new(current.generation, whose, (period.from, period.to));
        let mut adder = Adder::new(by, period.zone);
        loop {
            let page = pages.next(&mut snapshot).await?;
            if page.is_empty() {
                return Ok((adder, current.true_at));
            }
            for entry in &page {
                adder.add(entry);
            }
            if adder.entries() > MAX_ADDED {
                return Err(ApiError::new(codes::TOO_MANY_ENTRIES).detail("limit", MAX_ADDED));
            }
        }
    }
}
