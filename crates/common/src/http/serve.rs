//! What surrounds a service's routes, and how it starts and stops.

use std::{io, net::SocketAddr, process::ExitCode, time::Duration};

use axum::{
    Json, Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
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
use tower_http::{cors::CorsLayer, set_header::SetResponseHeaderLayer};

use crate::{
    ApiError,
    caller::Gatekeeper,
    config::{Env, HttpConfig, ServiceConfig},
    context,
    error::error_chain,
    extract::MAX_BODY,
    fault,
    http::limits::{self, Limits},
    idempotency::{IDEMPOTENCY_KEY, REPLAYED},
    worker::Workers,
};

/// How long running requests may take to end once the process is told to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a browser may remember what pages may call.
const CORS_AGE: Duration = Duration::from_hours(1);
/// How long a readiness probe waits for the database.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// What every service's `main` does first: answers `--help` and `--version`, reads the environment.
pub fn begin(service: &'static str, about: &'static str) -> Env {
    clap::Command::new(service)
        .version(env!("CARGO_PKG_VERSION"))
        .about(about)
        .after_help("Everything is set by environment variables, or a .env file: .env.example lists them all.")
        .get_matches();
    fault::begin();
    Env::load()
}

/// How every service's `main` ends: with what went wrong, in a line, and the exit code for it.
pub fn exit(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error_chain(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Adds to a service's routes what every service has: `/health`, `/ready`, JSON for every error, the request's
/// identity, a log line for each request, and headers that tell browsers to keep their hands off.
pub fn surround(routes: Router, service: &'static str, pool: MySqlPool, gatekeeper: &Gatekeeper) -> Router {
    let HttpConfig { cors_origins, rate_limit, .. } = gatekeeper.http();
    let routes = match rate_limit {
        Some(each_second) => {
            let limits = Limits::new(gatekeeper.clone(), *each_second);
            routes.layer(middleware::from_fn_with_state(limits, limits::layer))
        }
        None => routes,
    };
    // whether a service is well may always be asked
    let routes = routes
        .route("/health", get(move || async move { Json(json!({"status": "ok", "service": service})) }))
        .route("/ready", get(move || ready(service, pool)))
        .fallback(|| async { ApiError::not_found("route_not_found", "There is no such route") })
        .method_not_allowed_fallback(|| async {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This route does not know that method")
        });
    let routes = if cors_origins.is_empty() { routes } else { routes.layer(cors(cors_origins)) };
    routes.layer((
        middleware::from_fn(context::layer),
        // what is answered is personal, and no page
        always(header::CACHE_CONTROL, "no-store"),
        always(header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        always(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        DefaultBodyLimit::max(MAX_BODY),
    ))
}

/// Adds a header to every answer that does not have it.
fn always(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// Lets pages of these origins call, and no others.
fn cors(origins: &[HeaderValue]) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(origins.to_vec())
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, IDEMPOTENCY_KEY, context::REQUEST_ID])
        .expose_headers([header::LINK, header::RETRY_AFTER, REPLAYED, context::REQUEST_ID])
        .max_age(CORS_AGE)
}

async fn ready(service: &'static str, pool: MySqlPool) -> Response {
    let database = tokio::time::timeout(READY_TIMEOUT, sqlx::query("SELECT 1").fetch_one(&pool)).await;
    if matches!(database, Ok(Ok(_))) {
        Json(json!({"status": "ready", "service": service})).into_response()
    } else {
        ApiError::unavailable("not_ready", "The database cannot be reached")
            .detail("missing", "database")
            .into_response()
    }
}

/// Serves `app` until SIGTERM or Ctrl-C, lets running requests end, then stops the workers.
pub async fn run(app: Router, config: &ServiceConfig, workers: Workers) -> anyhow::Result<()> {
    let listener = listen(config).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let (stopped, stop) = tokio::sync::oneshot::channel::<()>();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
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
