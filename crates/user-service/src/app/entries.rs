//! The feed of entries. It skips nothing, however late an operation commits.
//!
//! Ids are given in the order of insertion, and while the rows of all accounts of the operation are locked: of one user they are in the
//! order of its balances. But an operation shows when it is committed, so behind a gap there may be one that comes before. A page
//! goes past such gaps, since of no user there is anything missing behind what it shows, and the next page begins before the first
//! one that may still be filled.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use common::reads::ReadPool;
use money::{TransactionId, UserId};
use sqlx::MySqlConnection;

use crate::{
    domain::entries::{self, Entry, Posted},
    store::entries::{self as store, Operation},
};

/// In a gap below an operation of this age nobody looks for locks: not even a server whose disk is full waits as long. In microseconds.
const GONE_AFTER: i64 = 3_600_000_000;
/// A gap below an operation of this age, in which no row is locked, stays: a row is inserted, and locked, as soon as it has its id.
/// In microseconds.
const INSERTED_WITHIN: i64 = 2_000_000;
/// Gaps of a page in which somebody looks for locks.
const MOST_GAPS: usize = 100;
/// Legs of a page, unless one operation has more: a batch has thousands.
const MOST_LEGS: u32 = 20_000;

/// A page of the feed.
#[derive(Debug)]
pub struct Page {
    /// In the order of the ledger.
    pub entries: Vec<Entry>,
    /// Whose accounts were closed.
    pub closed: Vec<UserId>,
    /// The next page begins after this operation. Entries of later ones come again.
    pub position: i64,
    /// True if there are no more for now.
    pub is_end: bool,
    /// True if the next page begins before the end of this one, since an operation before it may yet be committed.
    pub is_held_up: bool,
    /// Whatever was committed before then is on this page, or on those before it.
    pub moment: Option<DateTime<Utc>>,
}

/// The operations after `position`, at most `limit`.
pub async fn page(reads: &ReadPool, position: i64, limit: u32) -> sqlx::Result<Page> {
    let mut conn = reads.acquire().await?;
    // the moment comes first: whatever was committed by then shows
    let (now, step) = store::now(&mut conn).await?;
    let mut operations = store::operations(&mut conn, position, limit).await?;
    let mut is_end = operations.len() < limit as usize;
    let Some(last) = operations.last() else {
        let (entries, closed, moment) = (Vec::new(), Vec::new(), is_end.then_some(now));
        return Ok(Page { entries, closed, position, is_end, is_held_up: false, moment });
    };
    let (mut legs, end) = store::legs(&mut conn, position, last.id, MOST_LEGS).await?;
    if let Some(end) = end {
        operations.retain(|operation| operation.id <= end);
        is_end = false;
    }
    // an operation that comes later gets its id later than the last one of the page, and is committed later still
    let moment = if is_end { Some(now) } else { operations.last().map(|last| last.created_at) };
    let (position, is_held_up) = settled(&mut conn, (position, step), &operations).await?;
    let mut page = Page { entries: Vec::new(), closed: Vec::new(), position, is_end, is_held_up, moment };
    for operation in operations {
        page.closed.extend(operation.user_id.filter(|_| operation.kind == "close"));
        let legs = legs.remove(&operation.id).unwrap_or_default();
        page.entries.extend(entries::of(&Posted::from(operation), &legs));
    }
    name_receivers(&mut conn, &mut page.entries).await?;
    Ok(page)
}

/// The last of `operations`, which come after a position and whose ids grow by a step, before a gap that may still be filled, and
/// whether it is known that it may.
async fn settled(
    conn: &mut MySqlConnection,
    (position, step): (i64, i64),
    operations: &[Operation],
) -> sqlx::Result<(i64, bool)> {
    let (mut before, mut looked_at) = (position, 0);
    for operation in operations {
        if operation.id > before + step && operation.age < GONE_AFTER {
            looked_at += 1;
            if looked_at > MOST_GAPS {
                return Ok((before, false));
            }
            if operation.age < INSERTED_WITHIN || !store::is_empty_between(conn, before, operation.id).await? {
                return Ok((before, true));
            }
        }
        before = operation.id;
    }
    Ok((before, false))
}

/// Names the other side of what was set aside, and of what came back: who was to be paid.
async fn name_receivers(conn: &mut MySqlConnection, entries: &mut [Entry]) -> sqlx::Result<()> {
    let unnamed = |entry: &Entry| entry.transaction_id.filter(|_| entry.counterparty_id.is_none());
    let transactions: HashSet<TransactionId> = entries.iter().filter_map(unnamed).collect();
    let transactions: Vec<TransactionId> = transactions.into_iter().collect();
    let receivers: HashMap<TransactionId, UserId> = store::receivers(conn, &transactions).await?;
    for entry in entries {
        if let Some(transaction) = unnamed(entry) {
            entry.counterparty_id = receivers.get(&transaction).copied();
        }
    }
    Ok(())
}
