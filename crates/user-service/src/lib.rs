//! user-service: accounts, login and balances. It alone moves money: see [`ledger`].

pub mod config;
pub mod ledger;
mod password;
mod routes;
mod store;

use std::time::Duration;

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRef},
    routing::{get, post, put},
};
use common::{
    caller::Gatekeeper,
    db,
    extract::MAX_INTERNAL_BODY,
    http::{
        client::{ServiceClient, http_client},
        serve::surround,
    },
    outbox::{RELAY_PACE, Relay},
    point,
    revocation::{self, REVOCATIONS_PATH},
    worker::{Pace, Step, Workers},
};
use sqlx::MySqlPool;

pub use config::Config;
use ledger::Ledger;
use password::Passwords;
use routes::{auth, balance, internal, users};
use store::{
    attempts, revocations,
    users::{Accounts, accounts},
};

/// What the handlers and workers of user-service share.
#[derive(Clone, FromRef)]
pub struct AppState {
    pool: MySqlPool,
    gatekeeper: Gatekeeper,
    ledger: Ledger,
    accounts: Accounts,
    passwords: Passwords,
    notifications: ServiceClient,
    token_lifetime: TokenLifetime,
}

/// Seconds for which an access token is valid.
#[derive(Clone, Copy)]
struct TokenLifetime(i64);

impl AppState {
    /// The state for a configuration; nothing is connected yet.
    pub fn new(config: &Config) -> Self {
        let pool = db::pool(&config.service.database);
        let token = config.service.service_token.clone();
        Self {
            gatekeeper: Gatekeeper::new(&config.service),
            ledger: Ledger::new(pool.clone(), &config.service.currency, config.service.group_commit_max),
            accounts: accounts(pool.clone(), config.service.group_commit_max),
            passwords: Passwords::new(),
            notifications: ServiceClient::new(
                http_client(),
                config.notification_service_url.clone(),
                token,
                "notification-service",
            ),
            token_lifetime: TokenLifetime(config.jwt_expiration),
            pool,
        }
    }

    /// Waits for the database and brings its schema up to date.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        db::migrate(&self.pool, sqlx::migrate!()).await
    }
}

/// Attempts to log in that no longer count are looked for every minute.
const FORGET_PACE: Pace = Pace { idle: Duration::from_mins(1), rest: 1 };

async fn forget_attempts(pool: &MySqlPool) -> anyhow::Result<Step> {
    let forgotten = db::retry(|_| async {
        let mut tx = db::begin(pool, point!("login.forget")).await?;
        let forgotten = attempts::forget(&mut tx).await?;
        tx.commit().await?;
        Ok(forgotten)
    });
    Ok(if forgotten.await? == 0 { Step::Idle } else { Step::Worked })
}

/// Every route of user-service. Who may call one stands in its handler's signature.
pub fn app(state: AppState) -> Router {
    let (pool, gatekeeper) = (state.pool.clone(), state.gatekeeper.clone());
    let routes = Router::new()
        .route("/auth/register", post(auth::register))
        .route("/auth/login", post(auth::login))
        .route("/users", get(users::list).post(auth::register_other))
        .route("/users/{id}", get(users::show).put(users::update).delete(users::close))
        .route("/users/{id}/balance", get(balance::show))
        .route("/users/{id}/topup", post(balance::top_up))
        .route("/users/{id}/debit", post(balance::debit))
        .route(REVOCATIONS_PATH, get(internal::revocations))
        .route("/internal/users", get(internal::list))
        .route("/internal/users/{id}", get(internal::show))
        .route("/internal/users/{id}/balance", put(internal::change_balance))
        .route("/internal/operations", post(internal::execute).layer(DefaultBodyLimit::max(MAX_INTERNAL_BODY)))
        .route("/internal/ledger/verify", get(internal::verify))
        .with_state(state);
    surround(routes, "user-service", pool, &gatekeeper)
}

/// Starts the outbox relay, and what keeps the revocations and the attempts to log in up to date.
pub fn start_workers(state: &AppState, workers: &Workers) {
    let pool = state.pool.clone();
    workers.spawn("login attempts", FORGET_PACE, move || {
        let pool = pool.clone();
        async move { forget_attempts(&pool).await }
    });
    let (pool, TokenLifetime(lifetime)) = (state.pool.clone(), state.token_lifetime);
    revocation::watch(workers, state.gatekeeper.revocations().clone(), move |position| {
        let pool = pool.clone();
        async move { Ok(revocations::from(&mut *pool.acquire().await?, position, lifetime).await?) }
    });
    let relay = std::sync::Arc::new(Relay::new(state.pool.clone(), state.notifications.clone()));
    workers.spawn("outbox", RELAY_PACE, move || {
        let relay = relay.clone();
        async move { relay.run_once().await }
    });
}
