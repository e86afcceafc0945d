//! Starts transaction-service.

use std::process::ExitCode;

use common::{db, http::serve, telemetry, worker::Workers};
use transaction_service::{AppState, Config, app, start_workers};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    serve::exit(run().await)
}

async fn run() -> anyhow::Result<()> {
    let env = serve::begin("transaction-service", "Transfers between users of the Digital Wallet");
    let Some(config) = serve::configured(Config::from_env(env))? else { return Ok(()) };
    telemetry::init("transaction-service", &config.service)?;
    let state = AppState::new(&config);
    state.migrate().await?;
    db::require_durability(&config.service).await?;
    let workers = Workers::default();
    start_workers(&state, &workers);
    serve::run(app(state), &config.service, workers).await
}
