//! What transaction-service is configured by.

use common::config::{ConfigError, Env, ServiceConfig};
use url::Url;

/// The configuration of transaction-service.
#[derive(Debug, Clone)]
pub struct Config {
    /// What every service needs.
    pub service: ServiceConfig,
    /// `USER_SERVICE_URL`
    pub user_service_url: Url,
    /// `NOTIFICATION_SERVICE_URL`
    pub notification_service_url: Url,
    /// `PUBLIC_URL`: where people reach the wallet, for links.
    pub public_url: Option<Url>,
    /// `PENDING_TTL`: after how many seconds a pending transaction is cancelled.
    pub pending_ttl: u32,
}

impl Config {
    /// Reads the configuration; the error lists every problem.
    pub fn from_env(mut env: Env) -> Result<Self, ConfigError> {
        let config = Self {
            service: env.service("transaction-service", 5002, "digital_wallet_tx"),
            user_service_url: env.url("USER_SERVICE_URL", "http://127.0.0.1:5001"),
            notification_service_url: env.url("NOTIFICATION_SERVICE_URL", "http://127.0.0.1:5003"),
            public_url: env.optional("PUBLIC_URL").map(|_| env.url("PUBLIC_URL", "https://wallet.example.com")),
            pending_ttl: env.parse_if("PENDING_TTL", "604800", "seconds from 1 to 31536000", |s: &u32| {
                (1..=31_536_000).contains(s)
            }),
        };
        env.finish(config)
    }
}
