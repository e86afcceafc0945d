//! What the handlers and workers of the service share.

use std::sync::Arc;

use crate::app::{schedules::Schedules, transfers::Transfers};
use crate::clients::UserClient;
use crate::config::Config;
use crate::store::migrations::migrations;
use axum::extract::FromRef;
use chrono_tz::Tz;
use common::{
    caller::{Gatekeeper, account::Accounts, revocation::Watch},
    client::{ServiceClient, http_client},
    reads::ReadPool,
};
use sqlx::MySqlPool;
use url::Url;

/// What the handlers and workers of transaction-service share. Each request clones it some times.
#[derive(Clone, FromRef)]
pub struct AppState {
    pub(crate) reads: ReadPool,
    pub(crate) gatekeeper: Gatekeeper,
    pub(crate) transfers: Transfers,
    pub(crate) schedules: Schedules,
    /// Where the days begin that requests name.
    pub(crate) timezone: Tz,
    pub(crate) public_url: PublicUrl,
    #[from_ref(skip)]
    pub(crate) background: Arc<Background>,
}

/// Where people reach the wallet, if that is known.
#[derive(Clone)]
pub(crate) struct PublicUrl(Option<Arc<Url>>);

impl PublicUrl {
    /// The link to `path`, which begins with a slash: the path itself where nobody knows what stands before it.
    pub(crate) fn link(&self, path: &str) -> String {
        match &self.0 {
            Some(url) => format!("{}{path}", url.as_str().trim_end_matches('/')),
            None => path.to_owned(),
        }
    }
}

/// What the workers need.
pub(crate) struct Background {
    pub(crate) pool: MySqlPool,
    pub(crate) revocations: Watch,
    pub(crate) notifications: ServiceClient,
}

impl AppState {
    /// The state for a configuration; nothing is connected yet.
    pub fn new(config: &Config) -> Self {
        let pool = mysql::pool(&config.service.database);
        let http = http_client();
        let client = |service, url: &Url| ServiceClient::new(&config.service, http.clone(), service, url.clone());
        let users = client("user-service", &config.user_service_url);
        let notifications = client("notification-service", &config.notification_service_url);
        let accounts = Accounts::of(users.clone());
        let gatekeeper = Gatekeeper::new(&config.service, Some(accounts.clone()));
        Self {
            reads: ReadPool::new(&config.service.database),
            transfers: Transfers::new(pool.clone(), UserClient::new(users.clone()), accounts, config),
            schedules: Schedules::new(pool.clone(), config.service.timezone),
            timezone: config.service.timezone,
            public_url: PublicUrl(config.public_url.clone().map(Arc::new)),
            background: Arc::new(Background {
                pool,
                revocations: Watch::new(gatekeeper.revocations(), users),
                notifications,
            }),
            gatekeeper,
        }
    }

    /// Waits for the database and brings its schema up to date.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        mysql::migrate(&self.background.pool, migrations()).await
    }
}
