//! The feed of entries, for the other services.

use std::sync::atomic::{AtomicU64, Ordering};

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
    /// The last operation that this is about: `after` of the next page.
    position: i64,
    /// True if there are no more for now.
    is_end: bool,
    /// True if this instance has served other requests since the answer before: a reader leaves time to them.
    is_serving: bool,
}

/// The requests that this instance had begun to serve when it answered last.
static SERVED: AtomicU64 = AtomicU64::new(0);

fn has_served_others() -> bool {
    let now = requests_begun();
    now - SERVED.swap(now, Ordering::Relaxed).min(now) > 1
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
    let entries::Page { entries, closed, position, is_end, moment } = page;
    Ok(AsOf(EntryPage { entries, closed, position, is_end, is_serving }, moment))
}
