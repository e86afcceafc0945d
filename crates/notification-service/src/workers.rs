//! What the service does by itself.

use crate::config::Config;
use crate::state::AppState;
use common::reads::watch;
use common::worker::Workers;

/// Starts the watch for revoked tokens, and the worker that mails what is pending, unless it is turned off.
pub fn start_workers(state: &AppState, config: &Config, workers: &Workers) {
    watch(&state.pool, &state.reads, workers);
    state.revocations.start(workers);
    if config.auto_send {
        state.delivery.start(workers);
    }
}
