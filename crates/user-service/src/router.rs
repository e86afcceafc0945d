//! Every route of the service, what it does, and what it refuses.

use aide::axum::{
    ApiRouter,
    routing::{get_with, post_with, put_with},
};
use axum::Router;
use common::{
    caller::{account::ACCOUNTS_PATH, revocation::REVOCATIONS_PATH},
    describe::about,
    outbox::{self},
    server::with_middleware,
};
use sqlx::MySqlPool;

use crate::app::audit;
use crate::codes::{
    ACCOUNT_FROZEN, ACCOUNT_LOCKED, BALANCE_LIMIT, EMAIL_TAKEN, INSUFFICIENT_BALANCE, INVALID_AMOUNT,
    INVALID_CREDENTIALS, LIMIT_EXCEEDED, NOTHING_TO_CHANGE, PENDING_TRANSACTIONS, TOO_MANY_ATTEMPTS, USER_NOT_FOUND,
    WRONG_PASSWORD,
};
use crate::routes::{auth, balance, entries, internal, limits, states, users};
use crate::state::AppState;
use crate::store::backups;

/// Every route of user-service. Who may call one stands in its handler's signature.
pub fn app(state: AppState) -> Router {
    let (pool, reads, gatekeeper) = (state.pool.clone(), state.reads.clone(), state.gatekeeper.clone());
    let routes = ApiRouter::new()
        .api_route("/auth/register", post_with(auth::register, about("Opens an account", [EMAIL_TAKEN])))
        .api_route(
            "/auth/login",
            post_with(
                auth::login,
                about("Gives an access token", [INVALID_CREDENTIALS, ACCOUNT_LOCKED, TOO_MANY_ATTEMPTS]),
            ),
        )
        .api_route(
            "/users",
            get_with(users::list, about("Accounts by id; a user sees its own", [])).post_with(
                auth::register_other,
                about("Opens an account for somebody; a service may leave the password out", [EMAIL_TAKEN]),
            ),
        )
        .api_route(
            "/users/lookup",
            get_with(
                users::look_up,
                about("Whom an address belongs to; ten times a minute for each caller", [USER_NOT_FOUND]),
            ),
        )
        .api_route(
            "/users/{id}",
            get_with(users::show, about("An account", [USER_NOT_FOUND]))
                .put_with(
                    users::update,
                    about(
                        "Changes an account; a user shows its password for a new one, or another address",
                        [USER_NOT_FOUND, EMAIL_TAKEN, NOTHING_TO_CHANGE, WRONG_PASSWORD, TOO_MANY_ATTEMPTS],
                    ),
                )
                .delete_with(
                    users::close,
                    about(
                        "Closes an account and pays out what is left",
                        [USER_NOT_FOUND, ACCOUNT_FROZEN, ACCOUNT_LOCKED, PENDING_TRANSACTIONS],
                    ),
                ),
        )
        .api_route(
            "/users/{id}/balance",
            get_with(balance::show, about("What can be spent, and what is set aside", [USER_NOT_FOUND])),
        )
        .api_route(
            "/users/{id}/topup",
            post_with(
                balance::top_up,
                about("Money comes in", [INVALID_AMOUNT, USER_NOT_FOUND, ACCOUNT_LOCKED, BALANCE_LIMIT]),
            ),
        )
        .api_route(
            "/users/{id}/debit",
            post_with(
                balance::debit,
                about(
                    "Money goes out",
                    [
                        INVALID_AMOUNT,
                        USER_NOT_FOUND,
                        INSUFFICIENT_BALANCE,
                        LIMIT_EXCEEDED,
                        ACCOUNT_FROZEN,
                        ACCOUNT_LOCKED,
                    ],
                ),
            ),
        )
        .merge(standing())
        .merge(internal_routes())
        .with_state(state);
    with_middleware(routes, "user-service", pool, &gatekeeper, move |pool| {
        reads.show();
        measure(pool)
    })
}

/// What an account may pay, and whether it may at all.
fn standing() -> ApiRouter<AppState> {
    ApiRouter::new()
        .api_route(
            "/users/{id}/limits",
            get_with(limits::show, about("What an account may pay, and how much of that is used", [USER_NOT_FOUND]))
                .put_with(
                    limits::update,
                    about(
                        "Sets limits of what an account pays; `null` removes one",
                        [USER_NOT_FOUND, NOTHING_TO_CHANGE],
                    ),
                ),
        )
        .api_route(
            "/users/{id}/state",
            put_with(states::update, about("Freezes, locks or frees an account", [USER_NOT_FOUND])),
        )
}

/// For the other services.
fn internal_routes() -> ApiRouter<AppState> {
    let operations = post_with(internal::execute, about("Carries out steps of transactions", [INVALID_AMOUNT]));
    ApiRouter::new()
        .api_route(
            REVOCATIONS_PATH,
            get_with(internal::revocations, about("Access tokens that have ended before their time", [])),
        )
        .api_route(
            ACCOUNTS_PATH,
            get_with(internal::accounts, about("By what the access tokens of accounts are known", [])),
        )
        .api_route(
            "/internal/entries",
            get_with(entries::feed, about("Changes of what users can spend, in the order of the ledger", [])),
        )
        .api_route("/internal/names", get_with(internal::names, about("The display names of accounts", [])))
        .api_route("/internal/receivers", get_with(internal::receiver, about("The account with an address", [])))
        .api_route("/internal/totals", get_with(internal::totals, about("What all accounts have together", [])))
        .api_route("/internal/users", get_with(internal::list, about("Accounts by id", [])))
        .api_route("/internal/users/{id}", get_with(internal::show, about("An account", [USER_NOT_FOUND])))
        .api_route(
            "/internal/users/{id}/balance",
            put_with(
                internal::change_balance,
                about(
                    "Debits or credits",
                    [
                        INVALID_AMOUNT,
                        USER_NOT_FOUND,
                        INSUFFICIENT_BALANCE,
                        LIMIT_EXCEEDED,
                        BALANCE_LIMIT,
                        ACCOUNT_FROZEN,
                        ACCOUNT_LOCKED,
                    ],
                ),
            ),
        )
        .api_route("/internal/operations", operations)
        .api_route(
            "/internal/operations/dry-run",
            post_with(
                internal::try_out,
                about("Says what would become of steps, and changes nothing", [INVALID_AMOUNT]),
            ),
        )
        .api_route("/internal/ledger/verify", get_with(internal::verify, about("Proves the ledger's rules", [])))
}

/// Reads what the gauges show.
async fn measure(pool: MySqlPool) -> sqlx::Result<()> {
    outbox::measure(&pool).await?;
    audit::measure(&pool).await?;
    backups::measure(&pool).await
}
