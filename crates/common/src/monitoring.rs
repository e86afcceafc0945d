//! What an operator watches: counters, gauges and histograms. `docs/operations.md` says what each means and when to act.

use std::{sync::LazyLock, time::Duration};

use axum::http::{Method, StatusCode};
use batch::{BATCH_SIZE, WAITING};
use metrics::{describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use mysql::RETRIES;

use crate::worker::{Pace, Rest, Step, Workers};

const REQUEST_SECONDS: &str = "http_server_request_duration_seconds";
/// Connections to the database, by state.
pub(crate) const CONNECTIONS: &str = "database_connections";

/// Upper bounds of the classes of durations, in seconds.
const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds of the classes of batches.
const ITEMS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1000.0];
/// Rows that a gauge counts at most: whoever looks must not add to a backlog.
pub const MOST_COUNTED: u32 = 100_000;
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

/// All metrics of this process, in the text format of Prometheus.
pub fn render() -> String {
    HANDLE.render()
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
