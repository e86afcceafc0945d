//! What the handlers and workers of the service share.

use crate::app::{sync::Sync, verify::Verifications};
use crate::clients::{TransactionClient, UserClient};
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

/// What is the same for everybody.
#[derive(Debug, Clone)]
pub struct Wallet {
    /// The code of the one currency.
    pub currency: String,
    /// Where days begin, unless a request says otherwise.
    pub timezone: Tz,
}

/// What the handlers and workers of report-service share.
#[derive(Clone, FromRef)]
pub struct AppState {
    pub(crate) pool: MySqlPool,
    pub(crate) reads: ReadPool,
    pub(crate) gatekeeper: Gatekeeper,
    pub(crate) revocations: Watch,
    pub(crate) users: UserClient,
    pub(crate) transactions: TransactionClient,
    pub(crate) sync: Sync,
    pub(crate) wallet: Wallet,
    pub(crate) verifications: Verifications,
}

impl AppState {
    /// The state for a configuration; nothing is connected yet.
    pub fn new(config: &Config) -> Self {
        let pool = mysql::pool(&config.service.database);
        let reads = ReadPool::new(&config.service.database);
        let http = http_client();
        let client = |service, url: &Url| ServiceClient::new(&config.service, http.clone(), service, url.clone());
        let users = client("user-service", &config.user_service_url);
        let gatekeeper = Gatekeeper::new(&config.service, Some(Accounts::of(users.clone())));
        let revocations = Watch::new(gatekeeper.revocations(), users.clone());
        let users = UserClient::new(users);
        let transactions = TransactionClient::new(client("transaction-service", &config.transaction_service_url));
        Self {
            wallet: Wallet { currency: config.service.currency.clone(), timezone: config.service.timezone },
            verifications: Verifications::new(),
            gatekeeper,
            revocations,
            sync: Sync::new(pool.clone(), reads.clone(), users.clone(), transactions.clone(), config.service.timezone),
            reads,
            users,
            transactions,
            pool,
        }
    }

    /// Waits for the database and brings its schema up to date.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        mysql::migrate(&self.pool, migrations()).await
    }
}
