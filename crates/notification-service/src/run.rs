//! How the service runs.

use std::process::ExitCode;

use common::{durability::require_durability, server, telemetry, worker::Workers};

use crate::{config::Config, router::app, state::AppState, workers::start_workers};

/// How far this process stands back from those that move money, where they share a machine: on a busy one it gets about
/// a tenth of what they get, on an idle one all that it wants (nice(2)).
const NICENESS: i32 = 10;

/// Runs the service until SIGTERM or Ctrl-C; the exit code of its program.
pub fn run() -> ExitCode {
    // before the runtime starts its threads, which inherit it; where it is not allowed, mail is as quick as the rest
    rustix::process::nice(NICENESS).ok();
    server::exit(serve())
}

#[tokio::main]
async fn serve() -> anyhow::Result<()> {
    let env = server::begin("notification-service", "Notifications of the Digital Wallet, by mail");
    let Some(config) = server::configured(Config::from_env(env))? else { return Ok(()) };
    telemetry::init(&config.service)?;
    let state = AppState::new(&config)?;
    state.migrate().await?;
    require_durability(&config.service).await?;
    let workers = Workers::default();
    start_workers(&state, &config, &workers);
    server::run(app(state), &config.service, workers).await
}
