//! What notification-service is configured by.

use std::{
    num::{NonZeroU16, NonZeroU32},
    path::PathBuf,
    time::Duration,
};

use common::config::{ConfigError, Env, ServiceConfig};
use lettre::message::Mailbox;
use secrecy::SecretString;
use url::Url;

/// The most that `MAIL_USER_RATE` may be.
const MAX_USER_RATE: u32 = 10_000;

/// The configuration of notification-service.
#[derive(Debug, Clone)]
pub struct Config {
    /// What every service needs.
    pub service: ServiceConfig,
    /// `USER_SERVICE_URL`
    pub user_service_url: Url,
    /// `NOTIFICATION_AUTO_SEND`: whether the worker mails what is pending.
    pub auto_send: bool,
    /// How mail leaves.
    pub mail: MailConfig,
}

/// How mail leaves, and how stubbornly.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// `SMTP_SERVER` and what belongs to it; `None` writes files instead.
    pub smtp: Option<SmtpConfig>,
    /// `MAIL_DIR`: where mails are written when there is no server.
    pub dir: PathBuf,
    /// `SENDER_EMAIL`
    pub sender: Mailbox,
    /// `MAIL_MAX_ATTEMPTS`: how often a mail is tried before it has failed.
    pub max_attempts: u32,
    /// `MAIL_RETRY_SECONDS`: the pause after the first attempt; it grows fourfold each time.
    pub retry_seconds: u32,
    /// `MAIL_RATE`: mails in a second at most, of the worker of each instance.
    pub rate: u32,
    /// `MAIL_USER_RATE`: mails in a minute that one user's actions may cause, and a tenth of what a mailbox gets, before
    /// more are delayed; `None` for any number.
    pub user_rate: Option<NonZeroU32>,
}

/// A mail server.
#[derive(Debug, Clone)]
pub struct SmtpConfig {
    /// `SMTP_SERVER`
    pub host: String,
    /// `SMTP_PORT`: 465 speaks TLS from the start, any other STARTTLS.
    pub port: u16,
    /// `SMTP_USER` and `SMTP_PASSWORD`; with them, an unencrypted connection is never used.
    pub credentials: Option<(String, SecretString)>,
    /// `SMTP_CA_FILE`: a PEM file with the certificate of a private authority.
    pub ca_file: Option<PathBuf>,
    /// `SMTP_TIMEOUT`: how long the server may take until it has a mail; its answer to that may take thirty times as long.
    pub timeout: Duration,
}

impl Config {
    /// Reads the configuration; the error lists every problem.
    pub fn from_env(mut env: Env) -> Result<Self, ConfigError> {
        let config = Self {
            service: env.service("notification-service", 5003, "digital_wallet_notifications"),
            user_service_url: env.url("USER_SERVICE_URL", "http://127.0.0.1:5001"),
            auto_send: env.parse("NOTIFICATION_AUTO_SEND", "true", "`true` or `false`"),
            mail: MailConfig {
                smtp: smtp(&mut env),
                dir: env.text("MAIL_DIR", "mail/").into(),
                sender: env.parse("SENDER_EMAIL", "noreply@digitalwallet.com", "an e-mail address"),
                max_attempts: env.parse_if("MAIL_MAX_ATTEMPTS", "5", "a number from 1 to 20", |n| (1..=20).contains(n)),
                retry_seconds: env
                    .parse_if("MAIL_RETRY_SECONDS", "10", "seconds from 1 to 3600", |n| (1..=3600).contains(n)),
                rate: env.parse_if("MAIL_RATE", "100", "a number from 1 to 10000", |n| (1..=10_000).contains(n)),
                user_rate: user_rate(&mut env),
            },
        };
        env.finish(config)
    }
}

fn user_rate(env: &mut Env) -> Option<NonZeroU32> {
    match env.text("MAIL_USER_RATE", "60").trim() {
        "off" => None,
        text => text.parse().ok().filter(|rate: &NonZeroU32| rate.get() <= MAX_USER_RATE).or_else(|| {
            env.problem("MAIL_USER_RATE", "a number from 1 to 10000, or `off`", "60");
            None
        }),
    }
}

fn smtp(env: &mut Env) -> Option<SmtpConfig> {
    let host = env.optional("SMTP_SERVER")?;
    let credentials = match (env.optional("SMTP_USER"), env.optional("SMTP_PASSWORD")) {
        (Some(user), Some(password)) => Some((user, password.into())),
        (None, _) => None,
        (Some(_), None) => {
            env.problem("SMTP_PASSWORD", "set when SMTP_USER is set", "your_app_password");
            None
        }
    };
    Some(SmtpConfig {
        host,
        port: env.parse::<NonZeroU16>("SMTP_PORT", "587", "a port number from 1 to 65535").get(),
        credentials,
        ca_file: env.optional("SMTP_CA_FILE").map(PathBuf::from),
        timeout: Duration::from_secs(
            env.parse_if("SMTP_TIMEOUT", "10", "seconds from 1 to 20", |s| (1..=20).contains(s)),
        ),
    })
}
