//! What the handlers and workers of the service share.

use crate::app::sync::Sync;
use crate::clients::{TransactionClient, UserClient};
use crate::config::Config;
use crate::store::migrations::migrations;
use axum::extract::FromRef;
use common::{
    caller::{Gatekeeper, account::Accounts, revocation::Watch},
    client::{ServiceClient, http_client},
    reads::ReadPool,
};
use sqlx::MySqlPool;

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
}

impl AppState {
    /// The state for a configuration; nothing is connected yet.
    pub fn new(config: &Config) -> Self {
        let pool = mysql::pool(&config.service.database);
        let reads = ReadPool::new(&config.service.database);
        let http = http_client();
        let client = |url: &url::Url, service| {
            ServiceClient::new(http.clone(), url.clone(), config.service.service_token.clone(), service)
        };
        let accounts = Accounts::of(client(&config.user_service_url, "user-service"));
        let gatekeeper = Gatekeeper::new(&config.service, Some(accounts));
        let revocations = Watch::new(gatekeeper.revocations(), client(&config.user_service_url, "user-service"));
        let users = UserClient::new(client(&config.user_service_url, "user-service"));
        let transactions = TransactionClient::new(client(&config.transaction_service_url, "transaction-service"));
        Self {
            gatekeeper,
            revocations,
            sync: Sync::new(pool.clone(), reads.clone(), users.clone(), transactions.clone()),
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
