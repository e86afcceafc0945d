//! What a service says of itself: a document for programs, a page for people, and where both are. The page needs nothing but
//! this service.

use aide::swagger::Swagger;
use axum::{
    Json, Router,
    body::Bytes,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use super::document::DOCUMENT_PATH;

/// What the page may do: run its own script, ask this service, and no other.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data:; \
    font-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Where the page is served.
const PAGE_PATH: &str = "/docs";
/// A wallet, for the tab of a browser.
const ICON: &str = include_str!("docs/icon.svg");
/// What goes into the page's head.
const HEAD: &str = include_str!("docs/head.html");
/// Links to the pages of all services, above the description.
const LINKS: &str = include_str!("docs/links.html");

/// `/`, `/openapi.json`, `/docs` and the icon of all pages.
pub fn routes(service: &'static str, document: &Value) -> Router {
    let (page, document) = (Bytes::from(page(service)), Bytes::from(document.to_string()));
    let icon = async || ([(header::CONTENT_TYPE, "image/svg+xml")], ICON);
    Router::new()
        .route("/", get(async move |headers: HeaderMap| front(service, &headers)))
        .route(DOCUMENT_PATH, get(move || async { ([(header::CONTENT_TYPE, "application/json")], document) }))
        .route(
            PAGE_PATH,
            get(move || async { ([(header::CONTENT_SECURITY_POLICY, PAGE_POLICY)], Html(page)).into_response() }),
        )
        .route("/favicon.ico", get(icon))
}

/// Browsers are sent to the page, which is beside `/` also where a gateway shows the service below another path; programs
/// are told where everything is.
fn front(service: &str, headers: &HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut response = if accepted.contains("text/html") {
        (StatusCode::SEE_OTHER, [(header::LOCATION, PAGE_PATH.trim_start_matches('/'))]).into_response()
    } else {
        let links = json!({"docs": PAGE_PATH, "openapi": DOCUMENT_PATH, "health": "/health", "ready": "/ready"});
        Json(json!({"service": service, "version": env!("CARGO_PKG_VERSION"), "links": links})).into_response()
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// Swagger's page for the document that is served beside it.
fn page(service: &str) -> String {
    let page = Swagger::new(DOCUMENT_PATH.trim_start_matches('/')).with_title(service).html();
    let head = HEAD.replace("{icon}", &ICON.replace('"', "'").replace('#', "%23").replace('\n', ""));
    page.replacen("<head>", &format!("<head>{head}"), 1)
        .replacen("<div id=\"swagger-ui\">", &format!("{LINKS}<div id=\"swagger-ui\">"), 1)
        // a token that was entered is still there after the page was loaded again
        .replacen("\"deepLinking\": true,", "\"deepLinking\": true, \"persistAuthorization\": true,", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_what_is_added_to_swaggers() {
        let page = page("user-service");
        for part in ["rel=\"icon\"", "<nav", "\"persistAuthorization\": true", "<title>user-service</title>"] {
            assert_eq!(page.matches(part).count(), 1, "{part}");
        }
    }
}
