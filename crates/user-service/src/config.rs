//! What user-service is configured by.

use common::{
    caller::MAX_TOKEN_SECONDS,
    config::{ConfigError, Env, Mode, ServiceConfig},
};
use money::Amount;
use url::Url;

use crate::domain::limits::Limits;

/// The configuration of user-service.
#[derive(Debug, Clone)]
pub struct Config {
    /// What every service needs.
    pub service: ServiceConfig,
    /// `JWT_EXPIRATION`: how long an access token is valid, in seconds.
    pub jwt_expiration: i64,
    /// `LEDGER_AUDIT_INTERVAL`: seconds between two proofs of the ledger; `None` if none are wanted (0).
    pub audit_interval: Option<u32>,
    /// `SELF_TOPUP`: whether a user's own token may top up; otherwise money comes in through services alone.
    pub self_topup: bool,
    /// `LIMIT_PER_TRANSACTION`, `LIMIT_PER_DAY` and `LIMIT_PER_MONTH`: the limits of accounts for which nothing else is set; none, where
    /// one is unset.
    pub limits: Limits,
    /// `NOTIFICATION_SERVICE_URL`
    pub notification_service_url: Url,
}

impl Config {
    /// Reads the configuration; the error lists every problem.
    pub fn from_env(mut env: Env) -> Result<Self, ConfigError> {
        let service = env.service("user-service", 5001, "digital_wallet");
        // the original page lets users do it; money from nowhere is for development alone
        let self_topup = if service.mode == Mode::Development { "true" } else { "false" };
        let config = Self {
            self_topup: env.parse("SELF_TOPUP", self_topup, "`true` or `false`"),
            service,
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
            limits: Limits {
                per_transaction: limit(&mut env, "LIMIT_PER_TRANSACTION"),
                per_day: limit(&mut env, "LIMIT_PER_DAY"),
                per_month: limit(&mut env, "LIMIT_PER_MONTH"),
            },
            notification_service_url: env.url("NOTIFICATION_SERVICE_URL", "http://127.0.0.1:5003"),
        };
        env.finish(config)
    }
}

/// An amount that may be unset.
fn limit(env: &mut Env, name: &str) -> Option<Amount> {
    let amount = env.optional(name)?.trim().parse().ok();
    if amount.is_none() {
        env.problem(name, "an amount greater than 0 with at most two decimals", "10000000");
    }
    amount
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Secrets that production takes.
    const SECRET: &str = "0f8c3a5d7e9b1c2d4f6a8b0c1d3e5f70";

    fn self_topup(mode: &'static str, value: Option<&'static str>) -> Result<bool, ConfigError> {
        let env = Env::new(move |name| match name {
            "APP_ENV" => Some(mode.to_owned()),
            "SERVICE_TOKEN" => Some(SECRET.to_owned()),
            "JWT_SECRET" => Some(SECRET.chars().rev().collect()),
            "DB_PASSWORD" => Some("a password of its own".to_owned()),
            "SELF_TOPUP" => value.map(str::to_owned),
            _ => None,
        });
        Config::from_env(env).map(|config| config.self_topup)
    }

    #[test]
    fn a_limit_is_an_amount_and_there_is_none_by_default() {
        let limits = |value: Option<&'static str>| {
            let env = Env::new(move |name| match name {
                "APP_ENV" => Some("development".to_owned()),
                "LIMIT_PER_DAY" => value.map(str::to_owned),
                _ => None,
            });
            Config::from_env(env).map(|config| config.limits).map_err(|error| error.to_string())
        };
        assert_eq!(limits(None).unwrap(), Limits::default());
        let day = Limits { per_day: Some("2500.5".parse().unwrap()), ..Limits::default() };
        assert_eq!(limits(Some("2500.50")).unwrap(), day);
        for wrong in ["0", "-1", "10.000", "much"] {
            assert!(limits(Some(wrong)).unwrap_err().contains("LIMIT_PER_DAY"), "{wrong}");
        }
    }

    #[test]
    fn users_top_up_by_themselves_in_development_and_where_it_is_allowed() {
        assert!(self_topup("development", None).unwrap());
        assert!(!self_topup("production", None).unwrap());
        assert!(self_topup("production", Some("true")).unwrap());
        assert!(!self_topup("development", Some("false")).unwrap());
        for wrong in ["yes", "1", "TRUE"] {
            assert!(self_topup("production", Some(wrong)).is_err(), "{wrong}");
        }
    }
}
