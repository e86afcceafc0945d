//! What the service does by itself.

use std::sync::Arc;

use crate::app::{
    background::{BACKGROUND_REST, Background},
    clearing::{CLEARED_EVERY, Clearing},
    entry_worker::EntryWorker,
};
use crate::config::Config;
use crate::state::AppState;
use common::reads::watch;
use common::worker::{Pace, Rest, Workers};

/// Starts the watch for revoked tokens, what clears entries away that are no longer read, and what takes over in the background:
/// transactions that have changed, and entries.
pub fn start_workers(state: &AppState, config: &Config, workers: &Workers) {
    watch(&state.pool, &state.reads, workers);
    state.revocations.start(workers);
    let clearing = Clearing::new(state.sync.clone());
    let idle = config.sync_interval.unwrap_or(CLEARED_EVERY).min(CLEARED_EVERY);
    workers.spawn("entries_clear", Pace { idle, rest: Rest::Never }, move || {
        let clearing = clearing.clone();
        async move { clearing.run_once().await }
    });
    let Some(interval) = config.sync_interval else { return };
    let background = Arc::new(Background::new(state.sync.clone()));
    workers.spawn("sync", Pace { idle: interval, rest: BACKGROUND_REST }, move || {
        let background = background.clone();
        async move { background.run_once().await }
    });
    let entries = EntryWorker::new(state.sync.clone());
    workers.spawn("entries", Pace { idle: interval, rest: Rest::Never }, move || {
        let entries = entries.clone();
        async move { entries.run_once().await }
    });
}
