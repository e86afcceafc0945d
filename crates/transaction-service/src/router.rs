//! Every route of the service, what it does, and what it refuses.

use crate::codes::{
    ACCOUNT_FROZEN, ACCOUNT_LOCKED, BATCH_NOT_FOUND, EXCEEDS_REFUNDABLE, EXCEEDS_REMAINING, ILLEGAL_STATUS_CHANGE,
    INSUFFICIENT_BALANCE, INVALID_AMOUNT, LIMIT_EXCEEDED, NOT_HELD, NOT_REFUNDABLE, NOTHING_TO_CHANGE,
    PAYMENT_REQUEST_NOT_FOUND, PAYMENT_REQUEST_NOT_OPEN, RECEIVER_UNAVAILABLE, REQUEST_IN_PROGRESS, SCHEDULE_ENDED,
    SCHEDULE_NOT_FOUND, SELF_TRANSFER, SERVICE_UNAVAILABLE, TOO_MANY_CAPTURES, TRANSACTION_IN_PROGRESS,
    TRANSACTION_NOT_FOUND, USER_NOT_FOUND,
};
use crate::routes::{batches, captures, feed, payment_requests, refunds, schedules, transactions};
use crate::state::AppState;
use aide::axum::{
    ApiRouter,
    routing::{get_with, post_with},
};
use axum::Router;
use common::{
    describe::about,
    outbox::{self},
    server::with_middleware,
};
use sqlx::MySqlPool;

/// Every route of transaction-service. Who may call one stands in its handler's signature.
pub fn app(state: AppState) -> Router {
    let (pool, reads, gatekeeper) = (state.background.pool.clone(), state.reads.clone(), state.gatekeeper.clone());
    let routes = ApiRouter::new()
        .api_route(
            "/transactions",
            get_with(transactions::list, about("Transactions, newest first; a user sees its own", [INVALID_AMOUNT, SERVICE_UNAVAILABLE]))
                .post_with(
                    transactions::create,
                    about(
                        "Sets money aside for the receiver, or moves it: at once, or later",
                        [
                            INVALID_AMOUNT,
                            SELF_TRANSFER,
                            USER_NOT_FOUND,
                            INSUFFICIENT_BALANCE,
                            LIMIT_EXCEEDED,
                            ACCOUNT_FROZEN,
                            ACCOUNT_LOCKED,
                            RECEIVER_UNAVAILABLE,
                            NOT_HELD,
                            REQUEST_IN_PROGRESS,
                            SERVICE_UNAVAILABLE,
                        ],
                    ),
                ),
        )
        .api_route(
            "/transactions/{id}",
            get_with(transactions::show, about("A transaction", [TRANSACTION_NOT_FOUND, SERVICE_UNAVAILABLE]))
                .put_with(
                    transactions::update,
                    about(
                        "Decides about a pending transaction, cancels a scheduled one, or describes it; its receiver may decline it",
                        [
                            INVALID_AMOUNT,
                            TRANSACTION_NOT_FOUND,
                            NOTHING_TO_CHANGE,
                            EXCEEDS_REMAINING,
                            USER_NOT_FOUND,
                            ACCOUNT_FROZEN,
                            ACCOUNT_LOCKED,
                            RECEIVER_UNAVAILABLE,
                            NOT_HELD,
                            ILLEGAL_STATUS_CHANGE,
                            TRANSACTION_IN_PROGRESS,
                            SERVICE_UNAVAILABLE,
                        ],
                    ),
                )
                .delete_with(
                    transactions::delete,
                    about(
                        "Cancels it if it is pending or scheduled, then hides it: from the user who asks, or from everybody",
                        [
                            TRANSACTION_NOT_FOUND,
                            ACCOUNT_FROZEN,
                            ACCOUNT_LOCKED,
                            ILLEGAL_STATUS_CHANGE,
                            TRANSACTION_IN_PROGRESS,
                        ],
                    ),
                ),
        )
        .api_route(
            "/transactions/user/{user_id}",
            get_with(
                transactions::list_of_user,
                about("What a user sent and received, newest first", [INVALID_AMOUNT, SERVICE_UNAVAILABLE]),
            ),
        )
        .merge(parts())
        .merge(asking())
        .merge(recurring())
        .merge(internal())
        .with_state(state);
    with_middleware(routes, "transaction-service", pool, &gatekeeper, move |pool| {
        reads.show();
        measure(pool)
    })
}

/// Asking for money.
fn asking() -> ApiRouter<AppState> {
    ApiRouter::new()
        .api_route(
            "/payment-requests",
            get_with(
                payment_requests::list,
                about("Payment requests, newest first; a user sees those that it made", [USER_NOT_FOUND]),
            )
            .post_with(payment_requests::create, about("Asks for money", [INVALID_AMOUNT, USER_NOT_FOUND])),
        )
        .api_route(
            "/payment-requests/{id}",
            get_with(
                payment_requests::show,
                about("A payment request, for whoever has its id or is named by it", [PAYMENT_REQUEST_NOT_FOUND]),
            )
            .delete_with(
                payment_requests::withdraw,
                about("Withdraws it: its payee asks no longer", [PAYMENT_REQUEST_NOT_FOUND, PAYMENT_REQUEST_NOT_OPEN]),
            ),
        )
        .api_route(
            "/payment-requests/{id}/qr.svg",
            get_with(payment_requests::qr_code, about("Its link as a QR code", [PAYMENT_REQUEST_NOT_FOUND])),
        )
        .api_route(
            "/payment-requests/{id}/pay",
            post_with(
                payment_requests::pay,
                about(
                    "Pays it, once, as a transaction in one step",
                    [
                        PAYMENT_REQUEST_NOT_FOUND,
                        PAYMENT_REQUEST_NOT_OPEN,
                        SELF_TRANSFER,
                        USER_NOT_FOUND,
                        INSUFFICIENT_BALANCE,
                        LIMIT_EXCEEDED,
                        ACCOUNT_FROZEN,
                        ACCOUNT_LOCKED,
                        RECEIVER_UNAVAILABLE,
                        NOT_HELD,
                        REQUEST_IN_PROGRESS,
                        SERVICE_UNAVAILABLE,
                    ],
                ),
            ),
        )
        .api_route(
            "/payment-requests/{id}/decline",
            post_with(
                payment_requests::decline,
                about(
                    "Declines it: the payer whom it names does not want to pay",
                    [PAYMENT_REQUEST_NOT_FOUND, PAYMENT_REQUEST_NOT_OPEN],
                ),
            ),
        )
}

/// Payments together, in parts, and back.
fn parts() -> ApiRouter<AppState> {
    ApiRouter::new()
        .api_route(
            "/transactions/batch",
            post_with(
                batches::create,
                about(
                    "Makes up to 1,000 payments, each for itself, or all or none",
                    [
                        SELF_TRANSFER,
                        USER_NOT_FOUND,
                        INSUFFICIENT_BALANCE,
                        LIMIT_EXCEEDED,
                        ACCOUNT_FROZEN,
                        ACCOUNT_LOCKED,
                        RECEIVER_UNAVAILABLE,
                        NOT_HELD,
                        SERVICE_UNAVAILABLE,
                    ],
                ),
            ),
        )
        .api_route(
            "/batches/{id}",
            get_with(batches::show, about("What a batch has come to, for whoever made it", [BATCH_NOT_FOUND])),
        )
        .api_route(
            "/transactions/{id}/captures",
            post_with(
                captures::create,
                about(
                    "Pays the receiver a part of what is set aside; the rest stays so until a final capture",
                    [
                        INVALID_AMOUNT,
                        TRANSACTION_NOT_FOUND,
                        USER_NOT_FOUND,
                        ACCOUNT_FROZEN,
                        ACCOUNT_LOCKED,
                        EXCEEDS_REMAINING,
                        TOO_MANY_CAPTURES,
                        RECEIVER_UNAVAILABLE,
                        NOT_HELD,
                        ILLEGAL_STATUS_CHANGE,
                        TRANSACTION_IN_PROGRESS,
                        SERVICE_UNAVAILABLE,
                    ],
                ),
            ),
        )
        .api_route(
            "/transactions/{id}/refunds",
            post_with(
                refunds::create,
                about(
                    "Gives back what the receiver has got, or a part of it",
                    [
                        INVALID_AMOUNT,
                        TRANSACTION_NOT_FOUND,
                        USER_NOT_FOUND,
                        ACCOUNT_FROZEN,
                        ACCOUNT_LOCKED,
                        EXCEEDS_REFUNDABLE,
                        NOT_REFUNDABLE,
                        INSUFFICIENT_BALANCE,
                        LIMIT_EXCEEDED,
                        RECEIVER_UNAVAILABLE,
                        NOT_HELD,
                        TRANSACTION_IN_PROGRESS,
                        REQUEST_IN_PROGRESS,
                        SERVICE_UNAVAILABLE,
                    ],
                ),
            ),
        )
}

/// Payments that are made again and again.
fn recurring() -> ApiRouter<AppState> {
    ApiRouter::new()
        .api_route(
            "/schedules",
            get_with(schedules::list, about("Schedules, newest first; a user sees its own", [])).post_with(
                schedules::create,
                about(
                    "Makes a payment on each day, week or month from a date on",
                    [INVALID_AMOUNT, SELF_TRANSFER, USER_NOT_FOUND, SERVICE_UNAVAILABLE],
                ),
            ),
        )
        .api_route(
            "/schedules/{id}",
            get_with(schedules::show, about("A schedule, and the dates on which it runs next", [SCHEDULE_NOT_FOUND]))
                .put_with(
                    schedules::update,
                    about(
                        "Pauses a schedule, lets it go on, or changes its end or what it pays",
                        [INVALID_AMOUNT, SCHEDULE_NOT_FOUND, SCHEDULE_ENDED, NOTHING_TO_CHANGE],
                    ),
                )
                .delete_with(schedules::delete, about("Ends a schedule, and hides it", [SCHEDULE_NOT_FOUND])),
        )
}

/// What report-service keeps its copy by.
fn internal() -> ApiRouter<AppState> {
    ApiRouter::new()
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
        .api_route("/internal/transactions/{id}", get_with(feed::show, about("A transaction", [TRANSACTION_NOT_FOUND])))
}

/// Reads what the gauges show.
async fn measure(pool: MySqlPool) -> sqlx::Result<()> {
    outbox::measure(&pool).await?;
    crate::app::settle::measure(&pool).await?;
    crate::app::runs::measure(&pool).await
}
