//! The feed of entries, for the other services.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::extract::State;
use common::{
    Result, as_of::AsOf, caller::Service, extract::Query, origin::requests_begun, page::UpTo, reads::ReadPool, request,
};
use money::UserId;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{app::entries, domain::entries::Entry};

/// The most operations in one answer.
const MAX_OPERATIONS: u32 = 5_000;

request! {
    /// Where a reader of the feed is.
    pub struct FeedQuery {
        /// Only operations after this one; without it, from the first one.
        after: Option<i64>,
        /// The most operations to answer for.
        limit: Option<UpTo<MAX_OPERATIONS>>,
    }
}

/// Entries, in the order of the ledger.
#[derive(Serialize, JsonSchema)]
pub struct EntryPage {
    entries: Vec<Entry>,
    /// Whose accounts were closed.
    closed: Vec<UserId>,
    /// `after` of the next page. Entries of later operations come again there, as an operation before them may yet be committed.
    position: i64,
    /// True if there are no more for now.
    is_end: bool,
    /// True if the next page begins before the end of this one.
    is_held_up: bool,
    /// True if this instance has served many other requests since the answer before: a reader leaves time to them.
    is_serving: bool,
}

/// Requests that do not count as serving: so many at once, and so many more each second. Services ask less in the background.
const BACKGROUND: (u128, u128) = (10, 20);

/// What was served longer ago says nothing of now.
const RECENT: Duration = Duration::from_secs(5);

/// When this instance answered last, and how many requests it had begun to serve by then.
static ANSWERED: Mutex<Option<(Instant, u64)>> = Mutex::new(None);

fn has_served_others() -> bool {
    let now = (Instant::now(), requests_begun());
    let Some(before) = ANSWERED.lock().unwrap_or_else(PoisonError::into_inner).replace(now) else { return false };
    is_busy(now.1.saturating_sub(before.1 + 1), now.0 - before.0)
}

/// True if so many requests in so long are more than those of the background.
fn is_busy(others: u64, within: Duration) -> bool {
    let (at_once, each_second) = BACKGROUND;
    within <= RECENT && u128::from(others) > at_once + each_second * within.as_millis() / 1_000
}

/// `GET /internal/entries`: what users could spend, and how it changed, operation by operation. All that was committed before the
/// moment that it names is in this answer or in those before it.
pub async fn feed(
    _: Service,
    State(reads): State<ReadPool>,
    Query(FeedQuery { after, limit }): Query<FeedQuery>,
) -> Result<AsOf<EntryPage>> {
    let limit = limit.map_or(MAX_OPERATIONS, |UpTo(limit)| limit);
    let is_serving = has_served_others();
    let page = entries::page(&reads, after.unwrap_or(0), limit).await?;
    let entries::Page { entries, closed, position, is_end, is_held_up, moment } = page;
    Ok(AsOf(EntryPage { entries, closed, position, is_end, is_held_up, is_serving }, moment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_services_ask_in_the_background_is_not_busy() {
        for (others, millis, busy) in [
            (0, 0, false),
            (10, 40, false),
            (11, 40, true),
            (29, 1_000, false),
            (31, 1_000, true),
            (1_000_000, 6_000, false),
        ] {
            assert_eq!(is_busy(others, Duration::from_millis(millis)), busy, "{others} requests in {millis} ms");
        }
    }
}
