//! What the service does by itself.

use std::sync::Arc;

use crate::app::{
    clock::{self, BEGINS, CLOCK_PACE, EXPIRED, OVERDUE, RUNS, WOKEN_PACE},
    runs::Runner,
    settle::Settler,
};
use crate::state::{AppState, Background};
use common::reads::watch;
use common::{outbox, worker::Workers};

/// Starts the clock, and whom it wakes: the settler, the expiry of pending transactions, what begins scheduled ones and carries out
/// schedules; the outbox relay, and the watch for revoked tokens.
pub fn start_workers(state: &AppState, workers: &Workers) {
    let Background { pool, revocations, notifications } = &*state.background;
    watch(&state.background.pool, &state.reads, workers);
    revocations.start(workers);
    let clock = pool.clone();
    workers.spawn("clock", CLOCK_PACE, move || {
        let pool = clock.clone();
        async move { clock::tick(&pool).await }
    });
    let settler = Arc::new(Settler::new(pool.clone(), state.transfers.clone()));
    workers.spawn_for(&OVERDUE, "settler", WOKEN_PACE, {
        let settler = settler.clone();
        move || {
            let settler = settler.clone();
            async move { settler.settle_once().await }
        }
    });
    workers.spawn_for(&EXPIRED, "expiry", WOKEN_PACE, {
        let settler = settler.clone();
        move || {
            let settler = settler.clone();
            async move { settler.expire_once().await }
        }
    });
    workers.spawn_for(&BEGINS, "scheduled", WOKEN_PACE, move || {
        let settler = settler.clone();
        async move { settler.begin_once().await }
    });
    let runner = Arc::new(Runner::new(pool.clone(), state.transfers.clone(), state.timezone));
    workers.spawn_for(&RUNS, "schedules", WOKEN_PACE, move || {
        let runner = runner.clone();
        async move { runner.run_once().await }
    });
    outbox::start(pool, notifications, workers);
}
