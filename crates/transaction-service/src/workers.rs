//! What the service does by itself.

use std::sync::Arc;

use crate::app::{
    expire::EXPIRY_PACE,
    later::BEGIN_PACE,
    runs::{RUN_PACE, Runner},
    schedules::DUE,
    settle::{SETTLE_PACE, Settler},
};
use crate::state::{AppState, Background};
use common::reads::watch;
use common::{outbox, worker::Workers};

/// Starts the settler, the expiry of pending transactions, what begins scheduled ones and carries out schedules, the outbox relay and the watch for revoked tokens.
pub fn start_workers(state: &AppState, workers: &Workers) {
    let Background { pool, revocations, notifications } = &*state.background;
    watch(&state.background.pool, &state.reads, workers);
    revocations.start(workers);
    let settler = Arc::new(Settler::new(pool.clone(), state.transfers.clone()));
    workers.spawn("settler", SETTLE_PACE, {
        let settler = settler.clone();
        move || {
            let settler = settler.clone();
            async move { settler.settle_once().await }
        }
    });
    workers.spawn("expiry", EXPIRY_PACE, {
        let settler = settler.clone();
        move || {
            let settler = settler.clone();
            async move { settler.expire_once().await }
        }
    });
    workers.spawn("scheduled", BEGIN_PACE, move || {
        let settler = settler.clone();
        async move { settler.begin_once().await }
    });
    let runner = Arc::new(Runner::new(pool.clone(), state.transfers.clone(), state.timezone));
    workers.spawn_for(&DUE, "schedules", RUN_PACE, move || {
        let runner = runner.clone();
        async move { runner.run_once().await }
    });
    outbox::start(pool, notifications, workers);
}
