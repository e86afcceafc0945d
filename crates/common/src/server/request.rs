//! The middleware around every request: its identity, its trace, its log line, and the answer to a panic.

use std::{any::Any, panic::AssertUnwindSafe, time::Instant};

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use tracing::{Instrument, field::Empty};

use crate::{
    error::ApiError,
    headers::REQUEST_ID,
    monitoring,
    origin::{Origin, begin_request},
    trace::Trace,
};

/// The longest request identity that is taken over from a caller.
const MAX_REQUEST_ID: usize = 64;

/// The field of a request's log lines that says who sent it, once that is known.
pub(super) const CALLER: &str = "caller";

/// Routes that are asked again and again, by the other services and by whoever watches. While they answer as they should, that is
/// not worth a line.
const POLLED: [&str; 4] = ["/health", "/ready", "/metrics", "/internal/revocations"];

/// Serves a request: gives it its identity (the caller's, if it sent a sane one) and the answer its `X-Request-Id`,
/// answers a panic, and logs a line. It does so in a task of its own: a client that hangs up does not cut a request in
/// half.
pub async fn layer(request: Request, next: Next) -> Response {
    begin_request();
    let begun = Instant::now();
    let id = request.headers().get(&REQUEST_ID).filter(|id| is_sane(id)).cloned().unwrap_or_else(fresh_id);
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("", MatchedPath::as_str);
    let is_polled = POLLED.contains(&route);
    let method_name = monitoring::name_of(&method);
    let trace = Trace::from_headers(request.headers()).server(method_name, route);
    let request_id = id.to_str().expect("a sane identity is ASCII");
    let span = tracing::info_span!("request", %method, route, request_id, trace_id = trace.id(), caller = Empty);
    let origin = Origin { request_id: Some(id.clone()), trace: trace.clone(), actor: None };
    let served = async move {
        let response =
            AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|panic| panicked(&*panic));
        let (status, seconds) = (response.status(), begun.elapsed().as_secs_f64());
        let bytes = response.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let ms = (seconds * 1_000_000.0).round() / 1000.0;
        if status.is_success() && is_polled {
            tracing::debug!(status = status.as_u16(), ms, bytes, "answered");
        } else {
            tracing::info!(status = status.as_u16(), ms, bytes, "answered");
        }
        monitoring::answered(method_name, matched.as_ref().map_or("", MatchedPath::as_str), status, seconds);
        trace.answered(status);
        response
    };
    let served = tokio::spawn(origin.scope(served.instrument(span))).await;
    let mut response = served.unwrap_or_else(|error| ApiError::internal(error).into_response());
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

fn is_sane(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    (1..=MAX_REQUEST_ID).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn panicked(panic: &(dyn Any + Send)) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    ApiError::internal(format!("panic: {}", text.unwrap_or("unknown"))).into_response()
}

/// An identity for a request that brought none.
pub fn fresh_id() -> HeaderValue {
    HeaderValue::try_from(uuid::Uuid::new_v4().to_string()).expect("a UUID is a valid header value")
}

#[cfg(test)]
mod tests {
    use axum::{Router, middleware, routing::get};
    use lab::http::{Api, serve};

    use super::*;
    use crate::origin::requests_begun;

    #[tokio::test]
    async fn each_request_counts() {
        let app = Router::new().route("/", get(async || ())).layer(middleware::from_fn(layer));
        let api = Api::new(serve(app).await);
        let before = requests_begun();
        let _ = api.get("/").await.expect(200);
        assert!(requests_begun() > before); // other tests of this process may serve, too
    }
}
