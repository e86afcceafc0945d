//! Starts notification-service.

use common::{http::serve, telemetry, worker::Workers};
use notification_service::{AppState, Config, app, start_workers};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let env = serve::begin("notification-service", "Mails users what they must be told by the Digital Wallet");
    let config = Config::from_env(env)?;
    telemetry::init(config.service.mode);
    let state = AppState::new(&config)?;
    state.migrate().await?;
    let workers = Workers::default();
    start_workers(&state, &config, &workers);
    serve::run(app(state), &config.service, workers).await
}
