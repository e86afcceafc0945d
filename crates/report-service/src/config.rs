//! What report-service is configured by.

use std::time::Duration;

use common::config::{ConfigError, Env, ServiceConfig};
use url::Url;

/// The configuration of report-service.
#[derive(Debug, Clone)]
pub struct Config {
    /// What every service needs.
    pub service: ServiceConfig,
    /// `USER_SERVICE_URL`
    pub user_service_url: Url,
    /// `TRANSACTION_SERVICE_URL`
    pub transaction_service_url: Url,
    /// `REPORT_SYNC_INTERVAL`: seconds between background runs; `None` if they are off (0).
    pub sync_interval: Option<Duration>,
}

impl Config {
    /// Reads the configuration; the error lists every problem.
    pub fn from_env(mut env: Env) -> Result<Self, ConfigError> {
        let seconds =
            env.parse_if("REPORT_SYNC_INTERVAL", "60", "seconds from 0 (off) to 86400", |s: &u64| *s <= 86_400);
        let config = Self {
            service: env.service("report-service", 5004, "digital_wallet_reports"),
            user_service_url: env.url("USER_SERVICE_URL", "http://127.0.0.1:5001"),
            transaction_service_url: env.url("TRANSACTION_SERVICE_URL", "http://127.0.0.1:5002"),
            sync_interval: (seconds > 0).then(|| Duration::from_secs(seconds)),
        };
        env.finish(config)
    }
}
