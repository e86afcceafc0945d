//! What belongs to the request at hand: its identity, carried into logs, answers and calls to other services.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::ApiError;

/// Names a request across services.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest request identity that is taken over from a caller.
const MAX_REQUEST_ID: usize = 64;

tokio::task_local! {
    static CURRENT: HeaderValue;
}

/// The identity of the request that this task serves; `None` in a worker.
pub fn request_id() -> Option<HeaderValue> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Runs `future` under the identity of a request, if there is one: for work that a request has handed on.
pub async fn under<F: Future>(id: Option<HeaderValue>, future: F) -> F::Output {
    match id {
        Some(id) => CURRENT.scope(id, future).await,
        None => future.await,
    }
}

/// Gives the request its identity (the caller's, if it sent a sane one) and the answer its `X-Request-Id`, and serves it
/// in a task of its own: a client that hangs up does not cut a request in half.
pub async fn layer(mut request: Request, next: Next) -> Response {
    let sane = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=MAX_REQUEST_ID).contains(&bytes.len())
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    let id = request.headers().get(&REQUEST_ID).filter(sane).cloned().unwrap_or_else(fresh_id);
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let served = tokio::spawn(CURRENT.scope(id.clone(), next.run(request))).await;
    let mut response = served.unwrap_or_else(|error| ApiError::internal(error).into_response());
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

fn fresh_id() -> HeaderValue {
    HeaderValue::try_from(uuid::Uuid::new_v4().to_string()).expect("a UUID is a valid header value")
}
