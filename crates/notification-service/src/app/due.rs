//! What is due, past those whose mails cannot begin.
//!
//! The oldest of a lane may all be for a mailbox that has as many conversations as it may. Then the look goes on behind them, a
//! bounded number of rows at a time, and remembers how far it came: others do not wait, and a look costs the same however many
//! mails that mailbox has before it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::MySqlConnection;
use tokio::time::Instant;

use super::under_way::{Found, UnderWay};
use crate::{
    domain::fairness::LANES,
    store::claims::{self, Due},
};

/// Notifications of each lane that are looked at first.
const FIRST: u32 = 128;
/// Those that are looked at behind them, where the first are not enough.
const FURTHER: u32 = 1_000;
/// How long it is remembered that those before a place cannot begin.
const MEMORY: Duration = Duration::from_secs(5);

/// How far the looks have come in each lane. Cheap to clone.
#[derive(Clone, Default)]
pub struct Looks(Arc<Mutex<[Option<Place>; LANES]>>);

/// A place in a lane: none that is before it can begin.
#[derive(Clone, Copy)]
struct Place {
    behind: Due,
    /// When a look has begun at the lane's beginning.
    since: Instant,
}

/// What there is to mail.
pub(super) enum Look {
    /// Nothing is due.
    Nothing,
    /// Nothing that can begin, so far: there may be more behind.
    Further,
    /// These, if any.
    All(Found),
}

impl Looks {
    /// Looks for what is due and can begin beside what is `under_way`, `each` for one recipient and `enough` of a lane.
    pub(super) async fn look(
        &self,
        conn: &mut MySqlConnection,
        under_way: &UnderWay,
        enough: usize,
        each: usize,
    ) -> sqlx::Result<Look> {
        let first = claims::due(conn, &[0, 1, 2].map(|lane| (lane, None)), FIRST).await?;
        if first.iter().all(Vec::is_empty) {
            return Ok(Look::Nothing);
        }
        let mut found = first.each_ref().map(|lane| under_way.can_begin(lane, each));
        let mut behind = Vec::new();
        for (lane, due) in first.iter().enumerate() {
            match due.last() {
                Some(last) if due.len() == FIRST as usize && found[lane].len() < enough => {
                    behind.push((lane, Some(self.place(lane, *last))));
                }
                _ => self.places()[lane] = None,
            }
        }
        let further = claims::due(conn, &behind, FURTHER).await?;
        let mut is_further = false;
        for (lane, _) in behind {
            let more = under_way.can_begin(&further[lane], each);
            if more.is_empty() {
                is_further |= self.pass(lane, &further[lane]);
            }
            found[lane].extend(more);
        }
        let has_none = found.iter().all(Vec::is_empty);
        Ok(if has_none && is_further { Look::Further } else { Look::All(found) })
    }

    /// Where the look goes on in a lane that begins with what ends with `last`.
    fn place(&self, lane: usize, last: Due) -> Due {
        let mut places = self.places();
        let is_behind = |place: &Place| (place.behind.since, place.behind.id) > (last.since, last.id);
        let known = places[lane].filter(|place| place.since.elapsed() < MEMORY && is_behind(place));
        let place = known.unwrap_or_else(|| Place { behind: last, since: Instant::now() });
        places[lane] = Some(place);
        place.behind
    }

    /// Notes that none of these can begin; true if there may be more behind them.
    fn pass(&self, lane: usize, due: &[Due]) -> bool {
        let settled = due.iter().take_while(|due| due.is_settled).last();
        if let (Some(place), Some(last)) = (&mut self.places()[lane], settled) {
            place.behind = *last;
        }
        settled.is_some() && due.len() == FURTHER as usize
    }

    fn places(&self) -> MutexGuard<'_, [Option<Place>; LANES]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
