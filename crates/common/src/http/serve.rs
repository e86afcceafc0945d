//! What surrounds a service's routes, and how it starts and stops.

use std::{
    io,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use aide::axum::{ApiRouter, routing::get_with};
use axum::{
    Router,
    handler::Handler,
    http::{HeaderName, HeaderValue, Method, header, request::Parts},
    middleware,
    serve::Listener as _,
};
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::MySqlPool;
use tokio::signal::unix::{SignalKind, signal};
use tower::util::option_layer;
use tower_http::{
    cors::{AllowOrigin, CorsLayer},
    set_header::SetResponseHeaderLayer,
};
use url::{Host, Url};

use crate::{
    ApiError, Code, Result,
    caller::{Gatekeeper, SERVICE_TOKEN},
    client_address::Peer,
    config::{ConfigError, Env, HttpConfig, Mode, ServiceConfig},
    context,
    db::Readiness,
    error::error_chain,
    extract::Json,
    fault,
    http::{
        api::{self, about},
        as_of::DATA_AS_OF,
        connection::Listener,
        docs,
        limits::Limits,
        open_files,
        receive::{self, Receiver},
    },
    idempotency::{IDEMPOTENCY_KEY, REPLAYED},
    monitoring,
    revocation::Revocations,
    trace,
    worker::Workers,
};

/// How long running requests may take to end once the process is told to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a browser may remember what pages may call.
const CORS_AGE: Duration = Duration::from_hours(1);

/// Set by `--check`: only the configuration is looked at.
static ONLY_CHECKS: AtomicBool = AtomicBool::new(false);
const CHECK: &str = "check";

/// What every service's `main` does first: answers `--help` and `--version`, reads the environment.
pub fn begin(service: &'static str, about: &'static str) -> Env {
    let check = clap::Arg::new(CHECK).long(CHECK).action(clap::ArgAction::SetTrue);
    let arguments = clap::Command::new(service)
        .version(env!("CARGO_PKG_VERSION"))
        .about(about)
        .arg(check.help("Say what is wrong with the configuration, and end"))
        .after_help("Everything is set by environment variables, or a .env file: .env.example lists them all.")
        .get_matches();
    ONLY_CHECKS.store(arguments.get_flag(CHECK), Ordering::Relaxed);
    fault::begin();
    Env::load()
}

/// The configuration, or what is wrong with it; `None` if that was all that was asked for.
pub fn configured<C>(config: std::result::Result<C, ConfigError>) -> anyhow::Result<Option<C>> {
    let config = config?;
    if ONLY_CHECKS.load(Ordering::Relaxed) {
        println!("the configuration is complete");
        return Ok(None);
    }
    Ok(Some(config))
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

/// Adds to a service's routes what every service has: `/health`, `/ready`, `/metrics`, JSON for every error, the request's
/// identity, a log line for each request, and headers that tell browsers to keep their hands off.
///
/// `measure` reads what the service's gauges show from its schema.
pub fn surround<M, F>(
    routes: ApiRouter,
    service: &'static str,
    pool: MySqlPool,
    gatekeeper: &Gatekeeper,
    measure: M,
) -> Router
where
    M: Fn(MySqlPool) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = sqlx::Result<()>> + Send + 'static,
{
    let HttpConfig { cors_origins, rate_limit, .. } = gatekeeper.http();
    let limits = rate_limit.map(|each_second| Limits::new(gatekeeper.clone(), each_second));
    let receiver = Receiver::new(gatekeeper.clone(), limits, receive::MAX_IN_FLIGHT);
    let cors = cors(cors_origins, gatekeeper.mode());
    // one stack for each route, with few functions in it: each of them boxes and clones what is below with each request
    let around = |is_limited: bool| {
        let receiver = if is_limited { receiver.clone() } else { receiver.unbounded() };
        (
            middleware::from_fn(context::layer),
            // what is answered is personal, and no page
            always(header::CACHE_CONTROL, "no-store"),
            always(header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            always(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
            option_layer(cors.clone()),
            middleware::from_fn_with_state(receiver, receive::layer),
        )
    };
    let revocations = gatekeeper.revocations().clone();
    let database = Readiness::new(pool.clone());
    let metrics = monitoring::routes(pool, database.clone(), gatekeeper, measure);
    let ready = move || ready(service, database, revocations);
    let health = move || async move { Json(State { status: "ok", service }) };
    // whether a service is alive and ready, and what it suffers from, may always be asked
    let always_answered = metrics
        .api_route("/ready", get_with(ready, about("Whether it can do its work", [Code::NotReady])))
        .api_route("/health", get_with(health, about("Whether it is alive", [Code::UnknownField])));
    let routes = routes.layer(around(true)).merge(always_answered.layer(around(false)));
    let (routes, document) = api::describe(routes, service, gatekeeper.mode());
    receiver.learn(&document);
    let no_route = async || ApiError::new(Code::RouteNotFound);
    let no_method = async || ApiError::new(Code::MethodNotAllowed);
    routes
        .merge(docs::routes(service, &document).layer(around(true)))
        .fallback(no_route.layer(around(false)))
        .method_not_allowed_fallback(no_method.layer(around(false)))
}

/// Adds a header to every answer that does not have it.
fn always(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// Lets pages of these origins call, and no others; in development those that this machine serves, on whatever port.
fn cors(origins: &[HeaderValue], mode: Mode) -> Option<CorsLayer> {
    let is_development = mode == Mode::Development;
    if origins.is_empty() && !is_development {
        return None;
    }
    let origins = origins.to_vec();
    let may_call = move |origin: &HeaderValue, _: &Parts| {
        origins.contains(origin) || (is_development && is_on_this_machine(origin))
    };
    let mut headers = vec![header::AUTHORIZATION, header::CONTENT_TYPE, IDEMPOTENCY_KEY, context::REQUEST_ID];
    headers.extend(is_development.then_some(SERVICE_TOKEN)); // the documented examples show it
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(may_call))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers(headers)
        .vary([]) // nothing is stored, so nothing depends on who asked
        .expose_headers([header::LINK, header::RETRY_AFTER, REPLAYED, context::REQUEST_ID, DATA_AS_OF])
        .max_age(CORS_AGE);
    Some(layer)
}

/// True for the origin of a page that was served by this machine: `http://localhost:3000`.
fn is_on_this_machine(origin: &HeaderValue) -> bool {
    let url = origin.to_str().ok().and_then(|text| Url::parse(text).ok());
    url.filter(|url| matches!(url.scheme(), "http" | "https")).is_some_and(|url| match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    })
}

/// How a service is.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct State {
    status: &'static str,
    service: &'static str,
}

async fn ready(service: &'static str, database: Readiness, revocations: Revocations) -> Result<Json<State>> {
    let missing = match database.is_ready().await {
        true if !revocations.are_awaited() => return Ok(Json(State { status: "ready", service })),
        true => "user-service",
        false => "database",
    };
    Err(ApiError::new(Code::NotReady).detail("missing", missing))
}

/// Serves `app` until SIGTERM or Ctrl-C, lets running requests end, then stops the workers.
pub async fn run(app: Router, config: &ServiceConfig, workers: Workers) -> anyhow::Result<()> {
    let listener = listen(config)?;
    open_files::allow(config);
    monitoring::start(&workers);
    tracing::info!(address = %listener.local_addr()?, "listening");
    let (stopped, stop) = tokio::sync::oneshot::channel::<()>();
    let app = app.into_make_service_with_connect_info::<Peer>();
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
    trace::finish().await;
    tracing::info!("stopped");
    Ok(())
}

fn listen(config: &ServiceConfig) -> anyhow::Result<Listener> {
    let (hosts, port) = (config.host.addresses(), config.port.get());
    Listener::bind(hosts, port).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => "another program uses this port; stop it or set PORT",
            io::ErrorKind::PermissionDenied => "ports below 1024 need more rights; set PORT to a higher one",
            _ => "check HOST and PORT",
        };
        anyhow::anyhow!("cannot listen on port {port} of {}: {advice} ({error})", config.host)
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
