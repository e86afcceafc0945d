//! `GET /metrics`: what an operator watches, in the text format of Prometheus.

use std::{sync::Arc, time::Duration};

use aide::{
    OperationOutput,
    axum::{ApiRouter, routing::get_with},
    generate::GenContext,
    openapi::{self, MediaType, Operation},
};
use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use metrics::gauge;
use mysql::Readiness;
use sqlx::MySqlPool;
use tokio::{sync::Mutex, time::timeout};

use crate::{
    caller::{gatekeeper::Gatekeeper, guard::Monitor},
    describe::{about, answers},
    monitoring::{self, CONNECTIONS, number, show},
};

/// Where the metrics are served.
pub const METRICS_PATH: &str = "/metrics";
/// How long an answer waits for what has to be asked of the database.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /metrics`, which asks `measure` for the gauges that stand in the database.
pub fn routes<M, F>(pool: MySqlPool, database: Readiness, gatekeeper: &Gatekeeper, measure: M) -> ApiRouter
where
    M: Fn(MySqlPool) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = sqlx::Result<()>> + Send + 'static,
{
    monitoring::record();
    let measuring = Arc::new(Mutex::new(()));
    let show = move |_: Monitor| async move {
        let (idle, open) = (number(pool.num_idle()), f64::from(pool.size()));
        gauge!(CONNECTIONS, "state" => "idle").set(idle);
        gauge!(CONNECTIONS, "state" => "used").set((open - idle).max(0.0));
        let most = f64::from(pool.options().get_max_connections());
        show("database_connections_max", "Connections that this instance opens at most", most);
        // one at a time, however often it is asked: the others see what the last one saw
        if let Ok(_turn) = measuring.try_lock() {
            let (measured, is_writable) = tokio::join!(timeout(PATIENCE, measure(pool)), database.is_ready());
            let reachable = f64::from(u8::from(matches!(measured, Ok(Ok(())))));
            show(
                "database_reachable",
                "1 if the database answered in time; if 0, gauges of its rows are old",
                reachable,
            );
            let writable = f64::from(u8::from(is_writable));
            show("database_writable", "1 if every table is there and a row was written in time", writable);
        }
        Exposition(monitoring::render())
    };
    ApiRouter::new()
        .api_route(METRICS_PATH, get_with(show, about("What an operator watches, for Prometheus", [])))
        .with_state(gatekeeper.clone())
}

/// The text format of Prometheus.
struct Exposition(String);

impl Exposition {
    const CONTENT_TYPE: &str = "text/plain; version=0.0.4";
}

impl IntoResponse for Exposition {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, Self::CONTENT_TYPE)], self.0).into_response()
    }
}

impl OperationOutput for Exposition {
    type Inner = Self;
    fn inferred_responses(context: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, openapi::Response)> {
        let (status, mut response) = answers::<String>(context, 200);
        let text: Option<MediaType> = response.content.swap_remove("application/json");
        response.content.extend(text.map(|text| (Self::CONTENT_TYPE.to_owned(), text)));
        vec![(status, response)]
    }
}
