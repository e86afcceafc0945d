//! notification-service: keeps what users are told and mails it: see [`delivery`].

mod clients;
pub mod config;
mod delivery;
mod fairness;
mod mailer;
mod routes;
mod store;

use aide::axum::{
    ApiRouter,
    routing::{get_with, post_with},
};
use axum::{Router, extract::FromRef};
use chrono_tz::Tz;
use common::{
    Code::{MailRefused, MailUnavailable, NothingToChange, NotificationNotFailed, NotificationNotFound},
    accounts::Accounts,
    caller::Gatekeeper,
    db,
    http::{
        api::about,
        client::{ServiceClient, http_client},
        serve::surround,
    },
    outbox,
    reads::ReadPool,
    revocation::Watch,
    worker::Workers,
};
use sqlx::MySqlPool;

use clients::UserClient;
pub use config::Config;
use delivery::{DELIVERY_PACE, Delivery};
use fairness::{Allowance, Fairness};
use mailer::Mailer;
use routes::{events, notifications};

/// What the handlers and workers of notification-service share.
#[derive(Clone, FromRef)]
pub struct AppState {
    pool: MySqlPool,
    reads: ReadPool,
    timezone: Tz,
    gatekeeper: Gatekeeper,
    revocations: Watch,
    delivery: Delivery,
    fairness: Fairness,
}

impl AppState {
    /// The state for a configuration; nothing is connected yet.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let pool = db::pool(&config.service.database);
        let token = config.service.service_token.clone();
        let users = ServiceClient::new(http_client(), config.user_service_url.clone(), token, "user-service");
        let mailer = Mailer::new(&config.mail)?;
        let gatekeeper = Gatekeeper::new(&config.service, Some(Accounts::of(users.clone())));
        Ok(Self {
            reads: ReadPool::new(&config.service.database),
            timezone: config.service.timezone,
            revocations: Watch::new(gatekeeper.revocations(), users.clone()),
            gatekeeper,
            delivery: Delivery::new(pool.clone(), UserClient::new(users), mailer, &config.mail),
            fairness: Fairness::new(config.mail.user_rate.map(Allowance)),
            pool,
        })
    }

    /// Waits for the database and brings its schema up to date.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        db::migrate(&self.pool, sqlx::migrate!()).await
    }
}

/// Every route of notification-service. Who may call one stands in its handler's signature.
pub fn app(state: AppState) -> Router {
    let (pool, reads, gatekeeper) = (state.pool.clone(), state.reads.clone(), state.gatekeeper.clone());
    let events = post_with(events::receive, about("Takes events, each once", []));
    let routes = ApiRouter::new()
        .api_route(
            "/notifications",
            get_with(notifications::list, about("Notifications, newest first; a user sees its own", []))
                .post_with(notifications::create, about("Tells a user something by mail", [])),
        )
        .api_route(
            "/notifications/{id}",
            get_with(notifications::show, about("A notification", [NotificationNotFound]))
                .put_with(
                    notifications::update,
                    about("Sets message and status; not for users", [NotificationNotFound, NothingToChange]),
                )
                .delete_with(notifications::delete, about("Hides a notification", [NotificationNotFound])),
        )
        .api_route(
            "/notifications/{id}/send",
            post_with(notifications::send, about("Mails it now", [NotificationNotFound, MailRefused, MailUnavailable])),
        )
        .api_route(
            "/notifications/{id}/resend",
            post_with(
                notifications::resend,
                about(
                    "Mails one that had failed",
                    [NotificationNotFound, NotificationNotFailed, MailRefused, MailUnavailable],
                ),
            ),
        )
        .api_route(outbox::EVENTS_PATH, events)
        .api_route(
            "/internal/notifications/resend",
            post_with(notifications::resend_failed, about("Mails again what had failed", [])),
        )
        .with_state(state);
    surround(routes, "notification-service", pool, &gatekeeper, move |pool| {
        reads.show();
        delivery::measure(pool)
    })
}

/// Starts the watch for revoked tokens, and the worker that mails what is pending, unless it is turned off.
pub fn start_workers(state: &AppState, config: &Config, workers: &Workers) {
    db::watch(&state.pool, &state.reads, workers);
    state.revocations.start(workers);
    if !config.auto_send {
        return;
    }
    let (delivery, beside) = (state.delivery.clone(), workers.beside());
    workers.spawn("delivery", DELIVERY_PACE, move || {
        let (delivery, beside) = (delivery.clone(), beside.clone());
        async move { delivery.run_once(&beside).await }
    });
}
