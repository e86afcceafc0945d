//! The one place that reads the clock.

use chrono::{DateTime, SubsecRound, Utc};

/// The present moment in UTC, cut to microseconds: what `DATETIME(6)` can hold.
#[expect(clippy::disallowed_methods, reason = "this is the clock that the rest of the code asks")]
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}
