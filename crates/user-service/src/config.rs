//! What user-service is configured by.

use common::{
    caller::MAX_TOKEN_SECONDS,
    config::{ConfigError, Env, ServiceConfig},
};
use url::Url;

/// The configuration of user-service.
#[derive(Debug, Clone)]
pub struct Config {
    /// What every service needs.
    pub service: ServiceConfig,
    /// `JWT_EXPIRATION`: how long an access token is valid, in seconds.
    pub jwt_expiration: i64,
    /// `LEDGER_AUDIT_INTERVAL`: seconds between two proofs of the ledger; `None` if none are wanted (0).
    pub audit_interval: Option<u32>,
    /// `NOTIFICATION_SERVICE_URL`
    pub notification_service_url: Url,
}

impl Config {
    /// Reads the configuration; the error lists every problem.
    pub fn from_env(mut env: Env) -> Result<Self, ConfigError> {
        let config = Self {
            service: env.service(5001, "digital_wallet", "user_service"),
            jwt_expiration: env.parse_if("JWT_EXPIRATION", "3600", "seconds from 1 to 31536000", |s: &i64| {
                (1..=MAX_TOKEN_SECONDS).contains(s)
            }),
            audit_interval: Some(env.parse_if(
                "LEDGER_AUDIT_INTERVAL",
                "3600",
                "seconds from 0 (off) to 604800",
                |s: &u32| *s <= 604_800,
            ))
            .filter(|seconds| *seconds > 0),
            notification_service_url: env.url("NOTIFICATION_SERVICE_URL", "http://127.0.0.1:5003"),
        };
        env.finish(config)
    }
}
