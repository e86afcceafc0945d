//! Every route of the service, what it does, and what it refuses.

use crate::codes::{
    NOT_A_PARTY, NOT_ACCEPTABLE, OUTCOME_UNKNOWN, RECONCILIATION_NOT_FOUND, SERVICE_UNAVAILABLE, STATEMENT_NOT_FOUND,
    SYNC_IN_PROGRESS, TOO_MANY_ENTRIES, TRANSACTION_NOT_FOUND, USER_NOT_FOUND,
};
use crate::routes::{
    balances, charts, entries, overview, reconciliations, reports, statements, summaries, sync as sync_routes,
};
use crate::state::AppState;
use aide::axum::{
    ApiRouter,
    routing::{get_with, post_with},
};
use axum::Router;
use common::{describe::about, server::with_middleware};

/// Every route of report-service. Who may call one stands in its handler's signature.
pub fn app(state: AppState) -> Router {
    let (pool, reads, gatekeeper) = (state.pool.clone(), state.reads.clone(), state.gatekeeper.clone());
    let routes = report_routes().merge(routes_of_user()).merge(routes_of_wallet()).with_state(state);
    with_middleware(routes, "report-service", pool, &gatekeeper, move |pool| {
        reads.show();
        crate::app::sync::measure(pool)
    })
}

/// Reports.
fn report_routes() -> ApiRouter<AppState> {
    ApiRouter::new()
        .api_route(
            "/reports",
            post_with(
                reports::create,
                about(
                    "Makes the report of a transaction for one of its parties",
                    [USER_NOT_FOUND, TRANSACTION_NOT_FOUND, NOT_A_PARTY, SERVICE_UNAVAILABLE],
                ),
            ),
        )
        .api_route(
            "/reports/user/{user_id}",
            get_with(
                reports::list_of_user,
                about("A user's reports, newest first", [USER_NOT_FOUND, OUTCOME_UNKNOWN, SERVICE_UNAVAILABLE]),
            ),
        )
}

/// What moved the money of one user.
fn routes_of_user() -> ApiRouter<AppState> {
    ApiRouter::new()
        .api_route(
            "/entries/user/{user_id}",
            get_with(
                entries::list_of_user,
                about("Every movement of a user's balance, newest first", [USER_NOT_FOUND, SERVICE_UNAVAILABLE]),
            ),
        )
        .api_route(
            "/balances/user/{user_id}",
            get_with(
                balances::show,
                about("What a user could spend at a moment", [USER_NOT_FOUND, SERVICE_UNAVAILABLE]),
            ),
        )
        .api_route(
            "/summaries/user/{user_id}",
            get_with(
                summaries::show,
                about(
                    "How often and how much a user has paid and been paid, in all or in a period",
                    [USER_NOT_FOUND, TOO_MANY_ENTRIES, OUTCOME_UNKNOWN, SERVICE_UNAVAILABLE],
                ),
            ),
        )
        .api_route(
            "/statements/user/{user_id}",
            get_with(
                statements::show,
                about(
                    "What moved a user's balance in a period, as JSON, CSV or PDF",
                    [USER_NOT_FOUND, NOT_ACCEPTABLE, OUTCOME_UNKNOWN, SERVICE_UNAVAILABLE],
                ),
            ),
        )
        .api_route(
            "/statements/verify/{code}",
            get_with(
                statements::verify,
                about(
                    "What a statement says, by its code, for anybody",
                    [STATEMENT_NOT_FOUND, OUTCOME_UNKNOWN, SERVICE_UNAVAILABLE],
                ),
            ),
        )
        .api_route(
            "/charts/user/{user_id}/balance.svg",
            get_with(
                charts::balance,
                about("A chart of a user's balance over time", [USER_NOT_FOUND, OUTCOME_UNKNOWN, SERVICE_UNAVAILABLE]),
            ),
        )
        .api_route(
            "/charts/user/{user_id}/flow.svg",
            get_with(
                charts::flow,
                about(
                    "A chart of what came in and went out of a user's account, by month",
                    [USER_NOT_FOUND, OUTCOME_UNKNOWN, SERVICE_UNAVAILABLE],
                ),
            ),
        )
}

/// What concerns the whole wallet.
fn routes_of_wallet() -> ApiRouter<AppState> {
    ApiRouter::new()
        .api_route(
            "/overview",
            get_with(
                overview::show,
                about(
                    "What was created on each day and what became of it, and what all accounts have",
                    [OUTCOME_UNKNOWN, SERVICE_UNAVAILABLE],
                ),
            ),
        )
        .api_route(
            "/reconciliations",
            get_with(reconciliations::list, about("Comparisons with other books, newest first", [])).post_with(
                reconciliations::create,
                about(
                    "Compares a file with the top-ups, credits and debits that carry a reference",
                    [OUTCOME_UNKNOWN, SERVICE_UNAVAILABLE],
                ),
            ),
        )
        .api_route(
            "/reconciliations/{id}",
            get_with(reconciliations::show, about("What a comparison has found", [RECONCILIATION_NOT_FOUND])),
        )
        .api_route(
            "/sync/all",
            post_with(
                sync_routes::all,
                about(
                    "Takes over every user, every transaction and every entry",
                    [SYNC_IN_PROGRESS, SERVICE_UNAVAILABLE],
                ),
            ),
        )
}
