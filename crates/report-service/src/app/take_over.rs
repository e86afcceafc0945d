//! Taking entries over from user-service's feed.
//!
//! The feed skips nothing. A page is written together with where the next one begins, under the lock of that place, so
//! that several instances may read at once, and each entry begins with the balance that the one before it has left: should one be
//! missing all the same, nothing behind it is taken over, and the feed is read again from a little before.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use common::error::error_chain;
use fault::point;
use mysql::{DbError, Unit};
use tokio::time::timeout_at;

use super::sync::{RunError, Sync, Taken};
use crate::{
    clients::EntryPage,
    domain::chain::{self, Broken},
    store::{
        entry_feeds::{self as store, Feed, Reading},
        names,
    },
};

/// How long a request takes entries over before it answers from what it has.
const REQUEST_TAKES_OVER: Duration = Duration::from_secs(1);
/// How long whoever is in the background waits for the first page of a stretch: shorter than a lease.
const FIRST_PAGE: Duration = Duration::from_secs(2);
/// How many operations are read again if an entry is missing: what a busy minute brings.
const READ_AGAIN: i64 = 200_000;
/// How long that may take.
const READING_AGAIN: Duration = Duration::from_mins(1);
/// Where nothing is new, how far the copy goes is noted this often.
const NOTED_EVERY: TimeDelta = TimeDelta::seconds(1);
/// The first generation.
const FIRST: i32 = 1;

/// How long taking over may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The first page must be there by then.
    first_page: Instant,
    /// No other page is waited for any longer.
    pages: Instant,
}

impl Limits {
    /// A stretch in the background: it gets at least one page, however busy user-service is.
    pub(super) fn stretch(length: Duration) -> Self {
        let now = Instant::now();
        Self { first_page: now + FIRST_PAGE, pages: now + length }
    }
}

/// How far taking over has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    /// True if there was no more.
    pub is_end: bool,
    /// True if there is more, behind an operation that may still be committed.
    pub is_held_up: bool,
    /// True if user-service was serving others at last.
    pub is_serving: bool,
    /// `None` if it came to no new moment.
    pub taken: Option<Taken>,
}

impl Sync {
    /// Takes over what is new, together with all requests that wait for the same, but for no longer than a request may. Returns what
    /// is taken over then, if it came to a new moment.
    pub(super) async fn take_over_new_entries(&self) -> Option<Taken> {
        let asked = Instant::now();
        let until = asked + REQUEST_TAKES_OVER;
        let limits = Limits { first_page: until, pages: until };
        let mut last = timeout_at(until.into(), self.taking.lock(())).await.ok()?;
        if let Some((_, taken)) = last.filter(|(begun, _)| *begun >= asked) {
            return taken; // another request began after this one had come
        }
        let begun = Instant::now();
        let taken = match self.take_over_entries(Reading::Entries, limits).await {
            Ok(progress) => progress.taken,
            Err(error) => {
                tracing::warn!(error = error_chain(&error), "answering from the copy of the entries");
                None
            }
        };
        *last = Some((begun, taken));
        taken
    }

    /// The same without anybody who waits for it; if an entry is missing, it goes back and looks for it.
    pub(super) async fn repair_or_take_over(&self, reading: Reading, limits: Limits) -> Result<Progress, RunError> {
        let taken = self.take_over_entries(reading, limits).await;
        let Err(RunError::Broken(_)) = taken else { return taken };
        let feed = store::find(&mut *self.pool.acquire().await?, reading).await?;
        let behind = feed.map(|feed| Feed { position: (feed.position - READ_AGAIN).max(0), ..feed });
        self.take_over_from(reading, behind, Limits::stretch(READING_AGAIN)).await
    }

    /// Takes over what is new, page by page, until there is no more or the time is over.
    pub(super) async fn take_over_entries(&self, reading: Reading, limits: Limits) -> Result<Progress, RunError> {
        let feed = store::find(&mut *self.pool.acquire().await?, reading).await?;
        self.take_over_from(reading, feed, limits).await
    }

    /// The same from a place. The next page is read while one is written.
    async fn take_over_from(&self, reading: Reading, feed: Option<Feed>, limits: Limits) -> Result<Progress, RunError> {
        let until = limits.pages;
        let mut position = feed.map_or(0, |feed| feed.position);
        let mut progress = Progress { is_end: false, is_held_up: false, is_serving: false, taken: None };
        let mut next = Some(timeout_at(limits.first_page.into(), self.users.entries(position)).await);
        while let Some(Ok(read)) = next {
            let (page, moment) = read?;
            progress.is_end = page.is_end;
            let was_held_up = progress.is_held_up;
            progress.is_held_up = (page.is_held_up || page.position == position) && !page.is_end;
            progress.is_serving = page.is_serving;
            // one more page begins right before what holds it up
            let is_stuck = progress.is_held_up && (was_held_up || page.position == position);
            let is_over = page.is_end || is_stuck || Instant::now() >= until;
            let reads_on = async {
                if is_over { None } else { Some(timeout_at(until.into(), self.users.entries(page.position)).await) }
            };
            let (written, following) = tokio::join!(self.write_entries(reading, feed, (&page, moment)), reads_on);
            let generation = written.inspect_err(|error| {
                if let RunError::Broken(broken) = error {
                    tracing::error!(error = error_chain(broken), "an entry is missing");
                }
            })?;
            let taken = generation.zip(moment).map(|(generation, moment)| Taken { generation, moment });
            (position, progress.taken, next) = (page.position, taken.or(progress.taken), following);
        }
        Ok(progress)
    }

    /// Writes a page, and where the next one begins, and returns the generation that has it. What was known when the reading began is
    /// `feed`.
    async fn write_entries(
        &self,
        reading: Reading,
        feed: Option<Feed>,
        (page, moment): (&EntryPage, Option<DateTime<Utc>>),
    ) -> Result<Option<i32>, RunError> {
        let is_worth_noting = match (feed, moment) {
            (Some(feed), Some(moment)) => page.position > feed.position || moment - feed.true_at >= NOTED_EVERY,
            (Some(feed), None) => page.position > feed.position,
            (None, moment) => moment.is_some(),
        };
        let generation = feed.map(|feed| feed.generation);
        if page.entries.is_empty() && !is_worth_noting {
            return Ok(generation);
        }
        mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.pool, point!("entries")).await?;
            let feed = store::lock(&mut tx, reading).await?;
            // a rebuild has been switched to, or begun in place of this one: from its place on the page may leave something out
            let is_new = reading == Reading::Entries && generation.is_none();
            if !is_new && feed.map(|feed| feed.generation) != generation {
                return Ok(Err(RunError::LeaseLost));
            }
            if let Err(broken) = append(&mut tx, reading, feed, (page, moment)).await? {
                return Ok(Err(broken.into()));
            }
            tx.commit().await?;
            Ok(Ok(Some(feed.map_or(FIRST, |feed| feed.generation))))
        })
        .await?
    }
}

/// Appends the page to what is taken over.
async fn append(
    unit: &mut Unit,
    reading: Reading,
    feed: Option<Feed>,
    (page, moment): (&EntryPage, Option<DateTime<Utc>>),
) -> Result<Result<(), Broken>, DbError> {
    let nothing = Feed { generation: FIRST, position: 0, true_at: DateTime::UNIX_EPOCH, oldest: FIRST };
    let Feed { generation, position, true_at, .. } = feed.unwrap_or(nothing);
    let users = page.entries.iter().map(|entry| entry.user_id).collect::<BTreeSet<_>>();
    let mut accounts = store::accounts(unit, generation, &users).await?;
    let added = match chain::append(&mut accounts, page.entries.iter().cloned()) {
        Ok(added) => added,
        Err(broken) => return Ok(Err(broken)),
    };
    store::write(unit, generation, &added, &accounts);
    names::forget(unit, &page.closed);
    let (position, true_at) = (position.max(page.position), moment.map_or(true_at, |moment| true_at.max(moment)));
    match feed {
        Some(_) => store::advance(unit, reading, position, true_at),
        None => store::begin(unit, reading, Feed { position, true_at, ..nothing }),
    }
    Ok(Ok(()))
}
