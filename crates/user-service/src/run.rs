//! How the service runs.

use std::process::ExitCode;

use common::{durability::require_durability, server, telemetry, worker::Workers};

use crate::{config::Config, router::app, state::AppState, workers::start_workers};

/// Runs the service until SIGTERM or Ctrl-C; the exit code of its program.
pub fn run() -> ExitCode {
    server::exit(serve())
}

#[tokio::main]
async fn serve() -> anyhow::Result<()> {
    let env = server::begin("user-service", "Accounts, login and balances of the Digital Wallet");
    let Some(config) = server::configured(Config::from_env(env))? else { return Ok(()) };
    telemetry::init(&config.service)?;
    let state = AppState::new(&config);
    state.migrate().await?;
    require_durability(&config.service).await?;
    let workers = Workers::default();
    start_workers(&state, &config, &workers);
    server::run(app(state), &config.service, workers).await
}
