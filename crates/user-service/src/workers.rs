//! What the service does by itself.

use std::time::Duration;

use common::{
    caller::revocation,
    outbox,
    reads::watch,
    worker::{Pace, Rest, Workers},
};

use crate::{
    app::{audit, login},
    config::Config,
    state::AppState,
    store::revocations,
};

/// Starts the outbox relay, the audits, and what keeps the revocations and the attempts to log in up to date.
pub fn start_workers(state: &AppState, config: &Config, workers: &Workers) {
    watch(&state.pool, &state.reads, workers);
    if let Some(interval) = config.audit_interval {
        let ledger = state.ledger.clone();
        workers.spawn("audit", audit::pace(interval), move || {
            let ledger = ledger.clone();
            async move { audit::run_once(&ledger, interval).await }
        });
    }
    let pool = state.pool.clone();
    workers.spawn("login attempts", FORGET_PACE, move || {
        let pool = pool.clone();
        async move { login::forget_attempts(&pool).await }
    });
    let pool = state.pool.clone();
    revocation::watch(workers, state.gatekeeper.revocations().clone(), move |position| {
        let pool = pool.clone();
        async move { Ok(revocations::from(&mut *pool.acquire().await?, position).await?) }
    });
    outbox::start(&state.pool, &state.notifications, workers);
}

/// Attempts to log in that no longer count are looked for every minute.
const FORGET_PACE: Pace = Pace { idle: Duration::from_mins(1), rest: Rest::Always(1) };
