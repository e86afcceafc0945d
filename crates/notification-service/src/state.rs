//! What the handlers and workers of the service share.

use std::sync::Arc;

use crate::app::delivery::Delivery;
use crate::clients::UserClient;
use crate::config::Config;
use crate::domain::fairness::{Allowance, Fairness};
use crate::mailer::Mailer;
use crate::store::migrations::migrations;
use axum::extract::FromRef;
use chrono_tz::Tz;
use common::{
    caller::{Gatekeeper, account::Accounts, revocation::Watch},
    client::{ServiceClient, http_client},
    reads::ReadPool,
};
use sqlx::MySqlPool;

/// What the handlers and workers of notification-service share.
#[derive(Clone, FromRef)]
pub struct AppState {
    pub(crate) pool: MySqlPool,
    pub(crate) reads: ReadPool,
    pub(crate) timezone: Tz,
    pub(crate) gatekeeper: Gatekeeper,
    pub(crate) revocations: Watch,
    pub(crate) delivery: Delivery,
    pub(crate) fairness: Fairness,
    pub(crate) currency: Currency,
}

/// How amounts are worded.
#[derive(Clone)]
pub(crate) struct Currency(pub(crate) Arc<str>);

impl AppState {
    /// The state for a configuration; nothing is connected yet.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let pool = mysql::pool(&config.service.database);
        let url = config.user_service_url.clone();
        let users = ServiceClient::new(&config.service, http_client(), "user-service", url);
        let mailer = Mailer::new(&config.mail)?;
        let gatekeeper = Gatekeeper::new(&config.service, Some(Accounts::of(users.clone())));
        Ok(Self {
            reads: ReadPool::new(&config.service.database),
            timezone: config.service.timezone,
            revocations: Watch::new(gatekeeper.revocations(), users.clone()),
            gatekeeper,
            delivery: Delivery::new(pool.clone(), UserClient::new(users), mailer, &config.mail),
            fairness: Fairness::new(config.mail.user_rate.map(Allowance)),
            currency: Currency(config.service.currency.as_str().into()),
            pool,
        })
    }

    /// Waits for the database and brings its schema up to date.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        mysql::migrate(&self.pool, migrations()).await
    }
}
