//! user-service: accounts, login and balances. It alone moves money: see [`ledger`].

pub mod config;
pub mod ledger;
mod notices;
mod password;
mod routes;
mod store;

use std::time::Duration;

use aide::axum::{
    ApiRouter,
    routing::{get_with, post_with, put_with},
};
use axum::{Router, extract::FromRef};
use common::{
    Code::{
        BalanceLimit, EmailTaken, InsufficientBalance, InvalidAmount, InvalidCredentials, NothingToChange,
        PendingTransactions, TooManyAttempts, UserNotFound, WrongPassword,
    },
    accounts::{self as token_accounts, ACCOUNTS_PATH},
    caller::{Gatekeeper, Signer},
    db,
    http::{
        api::about,
        client::{ServiceClient, http_client},
        serve::surround,
    },
    outbox::{self, RELAY_PACE, Relay},
    point,
    reads::ReadPool,
    revocation::{self, REVOCATIONS_PATH},
    worker::{Pace, Rest, Step, Workers},
};
use sqlx::MySqlPool;

pub use config::Config;
use ledger::{Ledger, audit};
use password::Passwords;
pub use routes::fields::Email;
use routes::{auth, balance, internal, users};
use store::{
    attempts, backups, revocations, tokens,
    users::{Accounts, accounts},
};

/// What the handlers and workers of user-service share.
#[derive(Clone, FromRef)]
pub struct AppState {
    pool: MySqlPool,
    reads: ReadPool,
    gatekeeper: Gatekeeper,
    signer: Signer,
    ledger: Ledger,
    accounts: Accounts,
    passwords: Passwords,
    notifications: ServiceClient,
    token_lifetime: TokenLifetime,
    self_topup: SelfTopup,
}

/// Seconds for which an access token is valid.
#[derive(Clone, Copy)]
struct TokenLifetime(i64);

/// Whether users may top up by themselves.
#[derive(Clone, Copy)]
struct SelfTopup(bool);

impl AppState {
    /// The state for a configuration; nothing is connected yet.
    pub fn new(config: &Config) -> Self {
        let pool = db::pool(&config.service.database);
        let token = config.service.service_token.clone();
        Self {
            reads: ReadPool::new(&config.service.database),
            gatekeeper: Gatekeeper::new(&config.service, Some(accounts_of_tokens(pool.clone()))),
            signer: Signer::new(&config.service),
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
            self_topup: SelfTopup(config.self_topup),
            pool,
        }
    }

    /// Waits for the database and brings its schema up to date.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        db::migrate_apart_from(&self.pool, sqlx::migrate!(), Some(audit::LOCK)).await
    }
}

/// The accounts of those who call, from the service's own table.
fn accounts_of_tokens(pool: MySqlPool) -> token_accounts::Accounts {
    token_accounts::Accounts::new(move |ids| {
        let pool = pool.clone();
        async move {
            let read = db::retry(|_| async { Ok(tokens::accounts(&mut *pool.acquire().await?, &ids).await?) });
            Ok(read.await?)
        }
    })
}

/// Attempts to log in that no longer count are looked for every minute.
const FORGET_PACE: Pace = Pace { idle: Duration::from_mins(1), rest: Rest::Always(1) };

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
    let (pool, reads, gatekeeper) = (state.pool.clone(), state.reads.clone(), state.gatekeeper.clone());
    let operations = post_with(internal::execute, about("Carries out steps of transactions", [InvalidAmount]));
    let routes = ApiRouter::new()
        .api_route("/auth/register", post_with(auth::register, about("Opens an account", [EmailTaken])))
        .api_route(
            "/auth/login",
            post_with(auth::login, about("Gives an access token", [InvalidCredentials, TooManyAttempts])),
        )
        .api_route(
            "/users",
            get_with(users::list, about("Accounts by id; a user sees its own", []))
                .post_with(auth::register_other, about("Opens an account for somebody", [EmailTaken])),
        )
        .api_route(
            "/users/{id}",
            get_with(users::show, about("An account", [UserNotFound]))
                .put_with(
                    users::update,
                    about(
                        "Changes an account; a user shows its password for a new one, or another address",
                        [UserNotFound, EmailTaken, NothingToChange, WrongPassword, TooManyAttempts],
                    ),
                )
                .delete_with(
                    users::close,
                    about("Closes an account and pays out what is left", [UserNotFound, PendingTransactions]),
                ),
        )
        .api_route(
            "/users/{id}/balance",
            get_with(balance::show, about("What can be spent, and what is set aside", [UserNotFound])),
        )
        .api_route(
            "/users/{id}/topup",
            post_with(balance::top_up, about("Money comes in", [InvalidAmount, UserNotFound, BalanceLimit])),
        )
        .api_route(
            "/users/{id}/debit",
            post_with(balance::debit, about("Money goes out", [InvalidAmount, UserNotFound, InsufficientBalance])),
        )
        .api_route(
            REVOCATIONS_PATH,
            get_with(internal::revocations, about("Access tokens that have ended before their time", [])),
        )
        .api_route(
            ACCOUNTS_PATH,
            get_with(internal::accounts, about("By what the access tokens of accounts are known", [])),
        )
        .api_route("/internal/users", get_with(internal::list, about("Accounts by id", [])))
        .api_route("/internal/users/{id}", get_with(internal::show, about("An account", [UserNotFound])))
        .api_route(
            "/internal/users/{id}/balance",
            put_with(
                internal::change_balance,
                about("Debits or credits", [InvalidAmount, UserNotFound, InsufficientBalance, BalanceLimit]),
            ),
        )
        .api_route("/internal/operations", operations)
        .api_route("/internal/ledger/verify", get_with(internal::verify, about("Proves the ledger's rules", [])))
        .with_state(state);
    surround(routes, "user-service", pool, &gatekeeper, move |pool| {
        reads.show();
        measure(pool)
    })
}

/// Reads what the gauges show.
async fn measure(pool: MySqlPool) -> sqlx::Result<()> {
    outbox::measure(&pool).await?;
    audit::measure(&pool).await?;
    backups::measure(&pool).await
}

/// Starts the outbox relay, the audits, and what keeps the revocations and the attempts to log in up to date.
pub fn start_workers(state: &AppState, config: &Config, workers: &Workers) {
    db::watch(&state.pool, &state.reads, workers);
    if let Some(interval) = config.audit_interval {
        let ledger = state.ledger.clone();
        workers.spawn("audit", audit::pace(interval), move || {
            let ledger = ledger.clone();
            async move { audit::run_once(&ledger, interval).await }
        });
    }
    let pool = state.pool.clone();
    workers.spawn("login attempts", FORGET_PACE, move || {
        let pool = pool.clone();
        async move { forget_attempts(&pool).await }
    });
    let pool = state.pool.clone();
    revocation::watch(workers, state.gatekeeper.revocations().clone(), move |position| {
        let pool = pool.clone();
        async move { Ok(revocations::from(&mut *pool.acquire().await?, position).await?) }
    });
    let relay = std::sync::Arc::new(Relay::new(state.pool.clone(), state.notifications.clone()));
    workers.spawn("outbox", RELAY_PACE, move || {
        let relay = relay.clone();
        async move { relay.run_once().await }
    });
}
