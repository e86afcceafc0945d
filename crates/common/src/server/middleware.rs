//! The middleware of every service, and the routes that all have.

use std::time::Duration;

use aide::axum::{ApiRouter, routing::get_with};
use axum::{
    Router,
    handler::Handler,
    http::{HeaderName, HeaderValue, Method, header, request::Parts},
    middleware,
};
use mysql::Readiness;
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::MySqlPool;
use tower::util::option_layer;
use tower_http::{
    cors::{AllowOrigin, CorsLayer},
    set_header::SetResponseHeaderLayer,
};
use url::{Host, Url};

use super::{
    docs, document,
    limits::Limits,
    metrics,
    receive::{self, Receiver},
    request,
};
use crate::{
    caller::{Gatekeeper, revocation::Revocations},
    codes,
    config::{HttpConfig, Mode},
    describe::about,
    error::{ApiError, Result},
    extract::Json,
    headers::{DATA_AS_OF, IDEMPOTENCY_KEY, REPLAYED, REQUEST_ID, SERVICE_NAME, SERVICE_TOKEN},
};

/// How long a browser may remember what pages may call.
const CORS_AGE: Duration = Duration::from_hours(1);

/// Adds to a service's routes what every service has: `/health`, `/ready`, `/metrics`, JSON for every error, the request's
/// identity, a log line for each request, and headers that tell browsers to keep their hands off.
///
/// `measure` reads what the service's gauges show from its schema.
pub fn with_middleware<M, F>(
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
    let limits = rate_limit.map(Limits::new);
    let receiver = Receiver::new(gatekeeper.clone(), limits, receive::MAX_IN_FLIGHT);
    let cors = cors(cors_origins, gatekeeper.mode());
    // one stack for each route, with few functions in it: each of them boxes and clones what is below with each request
    let around = |is_limited: bool| {
        let receiver = if is_limited { receiver.clone() } else { receiver.unbounded() };
        (
            middleware::from_fn(request::layer),
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
    let metrics = metrics::routes(pool, database.clone(), gatekeeper, measure);
    let ready = move || ready(service, database, revocations);
    let health = move || async move { Json(State { status: "ok", service }) };
    // whether a service is alive and ready, and what it suffers from, may always be asked
    let always_answered = metrics
        .api_route("/ready", get_with(ready, about("Whether it can do its work", [codes::NOT_READY])))
        .api_route("/health", get_with(health, about("Whether it is alive", [codes::UNKNOWN_FIELD])));
    let routes = routes.layer(around(true)).merge(always_answered.layer(around(false)));
    let (routes, document) = document::document(routes, service, gatekeeper.mode());
    receiver.learn(&document);
    let no_route = async || ApiError::new(codes::ROUTE_NOT_FOUND);
    let no_method = async || ApiError::new(codes::METHOD_NOT_ALLOWED);
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
    let mut headers = vec![header::AUTHORIZATION, header::CONTENT_TYPE, IDEMPOTENCY_KEY, REQUEST_ID];
    if is_development {
        headers.extend([SERVICE_TOKEN, SERVICE_NAME]); // the documented examples show them
    }
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(may_call))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers(headers)
        .vary([]) // nothing is stored, so nothing depends on who asked
        .expose_headers([header::LINK, header::RETRY_AFTER, REPLAYED, REQUEST_ID, DATA_AS_OF])
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
    Err(ApiError::new(codes::NOT_READY).detail("missing", missing))
}
