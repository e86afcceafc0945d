//! What surrounds a service's routes, and how it starts and stops.

use std::{io, net::SocketAddr, time::Duration};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, MatchedPath, Request},
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use sqlx::MySqlPool;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tower_http::{catch_panic::CatchPanicLayer, trace::TraceLayer};

use crate::{
    ApiError,
    config::{Env, ServiceConfig},
    context,
    extract::MAX_BODY,
    worker::Workers,
};

/// How long running requests may take to end once the process is told to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a readiness probe waits for the database.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// What every service's `main` does first: answers `--help` and `--version`, reads the environment.
pub fn begin(service: &'static str, about: &'static str) -> Env {
    clap::Command::new(service)
        .version(env!("CARGO_PKG_VERSION"))
        .about(about)
        .after_help("Everything is set by environment variables, or a .env file: .env.example lists them all.")
        .get_matches();
    Env::load()
}

/// Adds to a service's routes what every service has: `/health`, `/ready`, JSON for every error, the request's
/// identity, a log line for each request.
pub fn surround(routes: Router, service: &'static str, pool: MySqlPool) -> Router {
    routes
        .route("/health", get(move || async move { Json(json!({"status": "ok", "service": service})) }))
        .route("/ready", get(move || ready(service, pool)))
        .fallback(|| async { ApiError::not_found("route_not_found", "There is no such route") })
        .method_not_allowed_fallback(|| async {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This route does not know that method")
        })
        // The last layer is the outermost: request id, then log, then panics.
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(CatchPanicLayer::custom(|panic: Box<dyn std::any::Any + Send>| {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            ApiError::internal(format!("panic: {}", text.unwrap_or("unknown"))).into_response()
        }))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(request_span)
                .on_request(())
                .on_response(log_response)
                .on_failure(()),
        )
        .layer(middleware::from_fn(context::layer))
}

async fn ready(service: &'static str, pool: MySqlPool) -> Response {
    let database = tokio::time::timeout(READY_TIMEOUT, sqlx::query("SELECT 1").execute(&pool)).await;
    if matches!(database, Ok(Ok(_))) {
        Json(json!({"status": "ready", "service": service})).into_response()
    } else {
        ApiError::unavailable("not_ready", "The database cannot be reached")
            .detail("missing", "database")
            .into_response()
    }
}

fn request_span(request: &Request) -> tracing::Span {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let id = request.headers().get(context::REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
    tracing::info_span!("request", method = %request.method(), route, request_id = id)
}

fn log_response(response: &Response, latency: Duration, _: &tracing::Span) {
    let bytes = response.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    tracing::info!(status = response.status().as_u16(), ms = latency.as_secs_f64() * 1000.0, bytes, "answered");
}

/// Serves `app` until SIGTERM or Ctrl-C, lets running requests end, then stops the workers.
pub async fn run(app: Router, config: &ServiceConfig, workers: Workers) -> anyhow::Result<()> {
    let listener = listen(config).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let (stopped, stop) = tokio::sync::oneshot::channel::<()>();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        stop.await.ok();
    });
    let mut server = tokio::spawn(server.into_future());
    tokio::select! {
        ended = &mut server => ended??,
        () = shutdown_signal() => {
            tracing::info!("stopping: no new requests, running ones end");
            stopped.send(()).ok();
            let drained = tokio::time::timeout(DRAIN_TIMEOUT, async {
                let ended = server.await;
                workers.stop().await;
                ended
            });
            match drained.await {
                Ok(ended) => ended??,
                Err(_) => tracing::warn!("requests that were still running have been cut off"),
            }
        }
    }
    tracing::info!("stopped");
    Ok(())
}

async fn listen(config: &ServiceConfig) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::new(config.host, config.port);
    TcpListener::bind(address).await.map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => "another program uses this port; stop it or set PORT",
            io::ErrorKind::PermissionDenied => "ports below 1024 need more rights; set PORT to a higher one",
            _ => "check HOST and PORT",
        };
        anyhow::anyhow!("cannot listen on {address}: {advice} ({error})")
    })
}

async fn shutdown_signal() {
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be watched");
    let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT can be watched");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
