//! Every route of the service, what it does, and what it refuses.

use crate::codes::{
    MAIL_REFUSED, MAIL_UNAVAILABLE, NOTHING_TO_CHANGE, NOTIFICATION_NOT_FAILED, NOTIFICATION_NOT_FOUND,
};
use crate::routes::{facts, notifications};
use crate::state::AppState;
use aide::axum::{
    ApiRouter,
    routing::{get_with, post_with},
};
use axum::Router;
use common::{describe::about, outbox, server::with_middleware};

/// Every route of notification-service. Who may call one stands in its handler's signature.
pub fn app(state: AppState) -> Router {
    let (pool, reads, gatekeeper) = (state.pool.clone(), state.reads.clone(), state.gatekeeper.clone());
    let routes = ApiRouter::new()
        .api_route(
            "/notifications",
            get_with(notifications::list, about("Notifications, newest first; a user sees its own", []))
                .post_with(notifications::create, about("Tells a user something by mail", [])),
        )
        .api_route(
            "/notifications/{id}",
            get_with(notifications::show, about("A notification", [NOTIFICATION_NOT_FOUND]))
                .put_with(
                    notifications::update,
                    about("Sets message and status; not for users", [NOTIFICATION_NOT_FOUND, NOTHING_TO_CHANGE]),
                )
                .delete_with(notifications::delete, about("Hides a notification", [NOTIFICATION_NOT_FOUND])),
        )
        .api_route(
            "/notifications/{id}/send",
            post_with(
                notifications::send,
                about("Mails it now", [NOTIFICATION_NOT_FOUND, MAIL_REFUSED, MAIL_UNAVAILABLE]),
            ),
        )
        .api_route(
            "/notifications/{id}/resend",
            post_with(
                notifications::resend,
                about(
                    "Mails one that had failed",
                    [NOTIFICATION_NOT_FOUND, NOTIFICATION_NOT_FAILED, MAIL_REFUSED, MAIL_UNAVAILABLE],
                ),
            ),
        )
        .api_route(
            outbox::FACTS_PATH,
            post_with(facts::receive, about("Takes facts, and notifies whom they concern, once", [])),
        )
        .api_route(
            "/internal/notifications/resend",
            post_with(notifications::resend_failed, about("Mails again what had failed", [])),
        )
        .with_state(state);
    with_middleware(routes, "notification-service", pool, &gatekeeper, move |pool| {
        reads.show();
        crate::app::delivery::measure(pool)
    })
}
