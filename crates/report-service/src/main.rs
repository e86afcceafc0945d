//! Starts report-service.

use std::process::ExitCode;

use common::{durability::require_durability, server, telemetry, worker::Workers};
use report_service::{AppState, Config, app, start_workers};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    server::exit(run().await)
}

async fn run() -> anyhow::Result<()> {
    let env = server::begin("report-service", "Reports and summaries of the Digital Wallet");
    let Some(config) = server::configured(Config::from_env(env))? else { return Ok(()) };
    telemetry::init("report-service", &config.service)?;
    let state = AppState::new(&config);
    state.migrate().await?;
    require_durability(&config.service).await?;
    let workers = Workers::default();
    start_workers(&state, &config, &workers);
    server::run(app(state), &config.service, workers).await
}
