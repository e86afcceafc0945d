//! Whether the database is far away, and what follows from it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The shortest round trip so far, in microseconds; 0 as long as there was none. What takes longer was not only on its way.
static ROUND_TRIP: AtomicU64 = AtomicU64::new(0);
/// From so many microseconds on it is far away: on the same host a round trip takes a tenth of that.
const FAR: u64 = 400;

/// Bytes that go at once to a server nearby: what fits one TLS record, with some room. sqlx 0.9.0 leaves Nagle's algorithm on,
/// so that a second record would wait 40 ms for the server's delayed acknowledgement of the first.
const NEAR_FLIGHT: usize = 15 * 1024;
/// Bytes that go at once to one farther away, where a round trip costs more than what may have to wait for an acknowledgement.
const FAR_FLIGHT: usize = 60 * 1024;

/// Notes how long a round trip took.
pub(crate) fn note(round_trip: Duration) {
    let micros = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX).max(1);
    // only ever fails if there is nothing to change
    let shorter = |known| (known == 0 || micros < known).then_some(micros);
    ROUND_TRIP.fetch_update(Ordering::Relaxed, Ordering::Relaxed, shorter).ok();
}

fn is_far() -> bool {
    ROUND_TRIP.load(Ordering::Relaxed) >= FAR
}

/// How many bytes go to the server at once.
pub(crate) fn flight_size() -> usize {
    if is_far() { FAR_FLIGHT } else { NEAR_FLIGHT }
}

/// How many batches to have under way at once, if it is `near` where the database is on the same host. While one travels another
/// one is carried out; more of them would only wait for each other's rows.
pub fn lanes(near: usize) -> usize {
    near + usize::from(is_far())
}
