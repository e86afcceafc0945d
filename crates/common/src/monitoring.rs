//! What an operator watches: counters, gauges and histograms at `GET /metrics`, in the text format of Prometheus.
//! `docs/operations.md` says what each means and when to act.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use aide::{
    OperationOutput,
    axum::{ApiRouter, routing::get_with},
    generate::GenContext,
    openapi::{self, MediaType, Operation},
};
use axum::{
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use metrics::{describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sqlx::MySqlPool;
use tokio::{sync::Mutex, time::timeout};

use crate::{
    caller::{Gatekeeper, Monitor},
    db::Readiness,
    http::api::{self, about},
    worker::{Pace, Rest, Step, Workers},
};

/// Where the metrics are served.
pub const METRICS_PATH: &str = "/metrics";

/// Items that shared a commit, by queue.
pub const BATCH_SIZE: &str = "group_commit_batch_size";
/// Items that wait for their batch, by queue.
pub const WAITING: &str = "group_commit_waiting";
/// Units of work that started again, by cause.
pub const RETRIES: &str = "database_retries_total";
const REQUEST_SECONDS: &str = "http_server_request_duration_seconds";
const CONNECTIONS: &str = "database_connections";

/// Upper bounds of the classes of durations, in seconds.
const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds of the classes of batches.
const ITEMS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1000.0];
/// Rows that a gauge counts at most: whoever looks must not add to a backlog.
pub const MOST_COUNTED: u32 = 100_000;
/// How long an answer waits for what has to be asked of the database.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the values of histograms are put into their classes.
const UPKEEP: Pace = Pace { idle: Duration::from_secs(5), rest: Rest::Never };

static HANDLE: LazyLock<PrometheusHandle> = LazyLock::new(|| {
    let metric = |name: &str| Matcher::Full(name.to_owned());
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(metric(REQUEST_SECONDS), SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(metric(BATCH_SIZE), ITEMS))
        .expect("the classes are not empty")
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).expect("nobody else records");
    describe_histogram!(REQUEST_SECONDS, "Time from a request to its answer");
    describe_histogram!(BATCH_SIZE, "Items that shared a commit");
    describe_gauge!(WAITING, "Items that wait for their batch");
    describe_counter!(RETRIES, "Units of work that started again");
    describe_gauge!(CONNECTIONS, "Connections to the database");
    handle
});

/// Starts to record; what was counted before is lost. A second call changes nothing.
pub fn record() {
    LazyLock::force(&HANDLE);
}

/// Keeps the memory of histograms flat while nobody asks for them.
pub fn start(workers: &Workers) {
    workers.spawn("metrics", UPKEEP, || async {
        HANDLE.run_upkeep();
        Ok(Step::Idle)
    });
}

/// The name of a method that a route may have; one for all others, so that callers make no names.
pub fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// Counts a request that was answered after `seconds`. Only the routes of the service make labels, whatever is asked for.
pub fn answered(method: &'static str, route: &str, status: StatusCode, seconds: f64) {
    let labels = [("method", method.to_owned()), ("route", route.to_owned()), ("status", status.as_u16().to_string())];
    histogram!(REQUEST_SECONDS, &labels).record(seconds);
}

/// A number of things as metrics have it: exact up to 2^32.
pub fn number(things: impl TryInto<u32>) -> f64 {
    things.try_into().map_or(f64::INFINITY, f64::from)
}

/// A time as metrics have it, of which less than none is none: two clocks were read.
pub fn seconds(microseconds: i64) -> f64 {
    Duration::from_micros(microseconds.try_into().unwrap_or(0)).as_secs_f64()
}

/// Shows a gauge; `help` says what it is.
pub fn show(name: &'static str, help: &'static str, value: f64) {
    describe_gauge!(name, help);
    gauge!(name).set(value);
}

/// `GET /metrics`, which asks `measure` for the gauges that stand in the database.
pub fn routes<M, F>(pool: MySqlPool, database: Readiness, gatekeeper: &Gatekeeper, measure: M) -> ApiRouter
where
    M: Fn(MySqlPool) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = sqlx::Result<()>> + Send + 'static,
{
    record();
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
        Exposition(HANDLE.render())
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
        let (status, mut response) = api::answers::<String>(context, 200);
        let text: Option<MediaType> = response.content.swap_remove("application/json");
        response.content.extend(text.map(|text| (Self::CONTENT_TYPE.to_owned(), text)));
        vec![(status, response)]
    }
}
