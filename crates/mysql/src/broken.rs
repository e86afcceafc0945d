//! When a connection was last found to be broken. Those that have idled since before are not trusted: often the server was started
//! again, or has ended the sessions of everybody.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

static BROKEN_AT: Mutex<Option<Instant>> = Mutex::new(None);

/// Notes that a connection has turned out to be broken.
pub(crate) fn note() {
    *BROKEN_AT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
}

/// True for a connection that has idled for so long if another one was found to be broken meanwhile.
pub(crate) fn is_suspect(idle_for: Duration) -> bool {
    let broken_at = *BROKEN_AT.lock().unwrap_or_else(PoisonError::into_inner);
    broken_at.is_some_and(|broken_at| broken_at.elapsed() <= idle_for)
}
