//! The API's description, as a document for programs and as a page for people. The page needs nothing but this service.

use aide::swagger::Swagger;
use axum::{
    Router,
    body::Bytes,
    http::header,
    response::{Html, IntoResponse},
    routing::get,
};
use serde_json::Value;

use crate::http::api::DOCUMENT_PATH;

/// What the page may do: run its own script, ask this service, and no other.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data:; \
    font-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `/openapi.json` and `/docs`.
pub fn routes(service: &str, document: &Value) -> Router {
    let document = Bytes::from(document.to_string());
    // found beside the page, also where a gateway shows both below another path
    let page = Bytes::from(Swagger::new(DOCUMENT_PATH.trim_start_matches('/')).with_title(service).html());
    Router::new()
        .route(DOCUMENT_PATH, get(move || async { ([(header::CONTENT_TYPE, "application/json")], document) }))
        .route(
            "/docs",
            get(move || async { ([(header::CONTENT_SECURITY_POLICY, PAGE_POLICY)], Html(page)).into_response() }),
        )
}
