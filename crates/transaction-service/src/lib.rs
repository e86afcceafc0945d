//! transaction-service: decides about transfers. user-service moves the money: see [`transfer`].

mod clients;
pub mod config;
mod routes;
mod settle;
mod store;
mod transfer;

use std::sync::Arc;

use aide::axum::{ApiRouter, routing::get_with};
use axum::{Router, extract::FromRef};
use chrono_tz::Tz;
use common::{
    Code::{
        IllegalStatusChange, InsufficientBalance, InvalidAmount, NotHeld, NothingToChange, ReceiverUnavailable,
        RequestInProgress, SelfTransfer, ServiceUnavailable, TransactionInProgress, TransactionNotFound, UserNotFound,
    },
    accounts::Accounts,
    caller::Gatekeeper,
    db,
    http::{
        api::about,
        client::{ServiceClient, http_client},
        serve::surround,
    },
    outbox::{self, RELAY_PACE, Relay},
    reads::ReadPool,
    revocation::Watch,
    worker::Workers,
};
use sqlx::MySqlPool;

use clients::UserClient;
pub use config::Config;
use routes::{feed, transactions};
use settle::{EXPIRY_PACE, SETTLE_PACE, Settler};
use transfer::Transfers;

/// What the handlers and workers of transaction-service share. Each request clones it some times.
#[derive(Clone, FromRef)]
pub struct AppState {
    reads: ReadPool,
    gatekeeper: Gatekeeper,
    transfers: Transfers,
    /// Where the days begin that requests name.
    timezone: Tz,
    #[from_ref(skip)]
    background: Arc<Background>,
}

/// What the workers need.
struct Background {
    pool: MySqlPool,
    revocations: Watch,
    notifications: ServiceClient,
}

impl AppState {
    /// The state for a configuration; nothing is connected yet.
    pub fn new(config: &Config) -> Self {
        let pool = db::pool(&config.service.database);
        let http = http_client();
        let token = || config.service.service_token.clone();
        let users = ServiceClient::new(http.clone(), config.user_service_url.clone(), token(), "user-service");
        let notifications =
            ServiceClient::new(http, config.notification_service_url.clone(), token(), "notification-service");
        let gatekeeper = Gatekeeper::new(&config.service, Some(Accounts::of(users.clone())));
        Self {
            reads: ReadPool::new(&config.service.database),
            transfers: Transfers::new(pool.clone(), UserClient::new(users.clone()), config),
            timezone: config.service.timezone,
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
        db::migrate(&self.background.pool, sqlx::migrate!()).await
    }
}

/// Every route of transaction-service. Who may call one stands in its handler's signature.
pub fn app(state: AppState) -> Router {
    let (pool, reads, gatekeeper) = (state.background.pool.clone(), state.reads.clone(), state.gatekeeper.clone());
    let routes = ApiRouter::new()
        .api_route(
            "/transactions",
            get_with(transactions::list, about("Transactions, newest first; a user sees its own", [InvalidAmount]))
                .post_with(
                    transactions::create,
                    about(
                        "Sets money aside for the receiver, or moves it at once",
                        [
                            InvalidAmount,
                            SelfTransfer,
                            UserNotFound,
                            InsufficientBalance,
                            ReceiverUnavailable,
                            NotHeld,
                            RequestInProgress,
                            ServiceUnavailable,
                        ],
                    ),
                ),
        )
        .api_route(
            "/transactions/{id}",
            get_with(transactions::show, about("A transaction", [TransactionNotFound]))
                .put_with(
                    transactions::update,
                    about(
                        "Decides about a pending transaction, or describes it; its receiver may decline it",
                        [
                            TransactionNotFound,
                            NothingToChange,
                            UserNotFound,
                            ReceiverUnavailable,
                            NotHeld,
                            IllegalStatusChange,
                            TransactionInProgress,
                        ],
                    ),
                )
                .delete_with(
                    transactions::delete,
                    about(
                        "Cancels it if it is pending, then hides it: from the user who asks, or from everybody",
                        [TransactionNotFound, IllegalStatusChange, TransactionInProgress],
                    ),
                ),
        )
        .api_route(
            "/transactions/user/{user_id}",
            get_with(transactions::list_of_user, about("What a user sent and received, newest first", [InvalidAmount])),
        )
        .api_route("/internal/transactions", get_with(feed::changes, about("Changes of transactions, in order", [])))
        .api_route(
            "/internal/transactions/newest",
            get_with(feed::newest, about("The transaction that changed last, or null", [])),
        )
        .api_route(
            "/internal/transactions/batch",
            get_with(feed::batch, about("Those of the transactions that there are", [])),
        )
        .api_route(
            "/internal/transactions/user/{user_id}",
            get_with(feed::of_user, about("A user's transactions, newest first", [])),
        )
        .api_route("/internal/transactions/{id}", get_with(feed::show, about("A transaction", [TransactionNotFound])))
        .with_state(state);
    surround(routes, "transaction-service", pool, &gatekeeper, move |pool| {
        reads.show();
        measure(pool)
    })
}

/// Reads what the gauges show.
async fn measure(pool: MySqlPool) -> sqlx::Result<()> {
    outbox::measure(&pool).await?;
    settle::measure(&pool).await
}

/// Starts the settler, the expiry of pending transactions, the outbox relay and the watch for revoked tokens.
pub fn start_workers(state: &AppState, workers: &Workers) {
    let Background { pool, revocations, notifications } = &*state.background;
    db::watch(&state.background.pool, &state.reads, workers);
    revocations.start(workers);
    let settler = Arc::new(Settler::new(pool.clone(), state.transfers.clone()));
    workers.spawn("settler", SETTLE_PACE, {
        let settler = settler.clone();
        move || {
            let settler = settler.clone();
            async move { settler.settle_once().await }
        }
    });
    workers.spawn("expiry", EXPIRY_PACE, move || {
        let settler = settler.clone();
        async move { settler.expire_once().await }
    });
    let relay = Arc::new(Relay::new(pool.clone(), notifications.clone()));
    workers.spawn("outbox", RELAY_PACE, move || {
        let relay = relay.clone();
        async move { relay.run_once().await }
    });
}
