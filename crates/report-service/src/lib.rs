//! report-service: reports and summaries from a copy of the transactions, which [`sync`] keeps up to date.

mod clients;
pub mod config;
mod routes;
mod store;
mod summary;
mod sync;

use std::sync::Arc;

use aide::axum::{
    ApiRouter,
    routing::{get_with, post_with},
};
use axum::{Router, extract::FromRef};
use common::{
    Code::{NotAParty, OutcomeUnknown, ServiceUnavailable, SyncInProgress, TransactionNotFound, UserNotFound},
    accounts::Accounts,
    caller::Gatekeeper,
    db,
    http::{
        api::about,
        client::{ServiceClient, http_client},
        serve::surround,
    },
    reads::ReadPool,
    revocation::Watch,
    worker::{Pace, Workers},
};
use sqlx::MySqlPool;

use clients::{TransactionClient, UserClient};
pub use config::Config;
use routes::{reports, summaries, sync as sync_routes};
use sync::{BACKGROUND_REST, Background, Sync};

/// What the handlers and workers of report-service share.
#[derive(Clone, FromRef)]
pub struct AppState {
    pool: MySqlPool,
    reads: ReadPool,
    gatekeeper: Gatekeeper,
    revocations: Watch,
    users: UserClient,
    transactions: TransactionClient,
    sync: Sync,
}

impl AppState {
    /// The state for a configuration; nothing is connected yet.
    pub fn new(config: &Config) -> Self {
        let pool = db::pool(&config.service.database);
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
        db::migrate(&self.pool, sqlx::migrate!()).await
    }
}

/// Every route of report-service. Who may call one stands in its handler's signature.
pub fn app(state: AppState) -> Router {
    let (pool, reads, gatekeeper) = (state.pool.clone(), state.reads.clone(), state.gatekeeper.clone());
    let routes = ApiRouter::new()
        .api_route(
            "/reports",
            post_with(
                reports::create,
                about(
                    "Makes the report of a transaction for one of its parties",
                    [UserNotFound, TransactionNotFound, NotAParty, ServiceUnavailable],
                ),
            ),
        )
        .api_route(
            "/reports/user/{user_id}",
            get_with(
                reports::list_of_user,
                about("A user's reports, newest first", [UserNotFound, OutcomeUnknown, ServiceUnavailable]),
            ),
        )
        .api_route(
            "/summaries/user/{user_id}",
            get_with(
                summaries::show,
                about(
                    "How often and how much a user has paid and been paid",
                    [UserNotFound, OutcomeUnknown, ServiceUnavailable],
                ),
            ),
        )
        .api_route(
            "/sync/all",
            post_with(
                sync_routes::all,
                about("Takes over every user and every transaction", [SyncInProgress, ServiceUnavailable]),
            ),
        )
        .with_state(state);
    surround(routes, "report-service", pool, &gatekeeper, move |pool| {
        reads.show();
        sync::measure(pool)
    })
}

/// Starts the watch for revoked tokens, and the background run that takes over what changed.
pub fn start_workers(state: &AppState, config: &Config, workers: &Workers) {
    db::watch(&state.pool, &state.reads, workers);
    state.revocations.start(workers);
    let Some(interval) = config.sync_interval else { return };
    let background = Arc::new(Background::new(state.sync.clone()));
    workers.spawn("sync", Pace { idle: interval, rest: BACKGROUND_REST }, move || {
        let background = background.clone();
        async move { background.run_once().await }
    });
}
