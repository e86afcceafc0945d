//! What the handlers and workers of the service share.

use axum::extract::FromRef;
use common::{
    caller::{Gatekeeper, Signer, account as token_accounts},
    client::{ServiceClient, http_client},
    reads::ReadPool,
};
use sqlx::MySqlPool;

use crate::app::passwords::Passwords;
use crate::app::{audit, ledger::Ledger, limits::AccountLimits, totals::WalletTotals};
use crate::config::Config;
use crate::store::migrations::migrations;
use crate::store::{
    tokens,
    users::{Accounts, accounts},
};

/// What the handlers and workers of user-service share.
#[derive(Clone, FromRef)]
pub struct AppState {
    pub(crate) pool: MySqlPool,
    pub(crate) reads: ReadPool,
    pub(crate) gatekeeper: Gatekeeper,
    pub(crate) signer: Signer,
    pub(crate) ledger: Ledger,
    pub(crate) accounts: Accounts,
    pub(crate) limits: AccountLimits,
    pub(crate) totals: WalletTotals,
    pub(crate) passwords: Passwords,
    pub(crate) notifications: ServiceClient,
    pub(crate) token_lifetime: TokenLifetime,
    pub(crate) self_topup: SelfTopup,
}

/// Seconds for which an access token is valid.
#[derive(Clone, Copy)]
pub(crate) struct TokenLifetime(pub(crate) i64);

/// Whether users may top up by themselves.
#[derive(Clone, Copy)]
pub(crate) struct SelfTopup(pub(crate) bool);

impl AppState {
    /// The state for a configuration; nothing is connected yet.
    pub fn new(config: &Config) -> Self {
        let pool = mysql::pool(&config.service.database);
        let (limits, zone) = (config.limits, config.service.timezone);
        let notifications = config.notification_service_url.clone();
        let reads = ReadPool::new(&config.service.database);
        Self {
            totals: WalletTotals::new(reads.clone()),
            reads,
            gatekeeper: Gatekeeper::new(&config.service, Some(accounts_of_tokens(pool.clone()))),
            signer: Signer::new(&config.service),
            ledger: Ledger::new(pool.clone(), config.service.group_commit_max, limits, zone),
            accounts: accounts(pool.clone(), config.service.group_commit_max),
            limits: AccountLimits::new(pool.clone(), limits, zone),
            passwords: Passwords::default(),
            notifications: ServiceClient::new(&config.service, http_client(), "notification-service", notifications),
            token_lifetime: TokenLifetime(config.jwt_expiration),
            self_topup: SelfTopup(config.self_topup),
            pool,
        }
    }

    /// Waits for the database and brings its schema up to date.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        mysql::migrate_apart_from(&self.pool, migrations(), Some(audit::LOCK)).await
    }
}

/// The accounts of those who call, from the service's own table.
fn accounts_of_tokens(pool: MySqlPool) -> token_accounts::Accounts {
    token_accounts::Accounts::new(move |ids| {
        let pool = pool.clone();
        async move {
            let read = mysql::retry(|_| async { Ok(tokens::accounts(&mut *pool.acquire().await?, &ids).await?) });
            Ok(read.await?)
        }
    })
}
