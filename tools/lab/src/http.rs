//! HTTP for tests: a client that shows whole answers when one is not as expected, and a way to serve a router.

use std::{ops::Index, time::Duration};

use axum::Router;
use reqwest::{
    Method, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::Value;

use crate::{http_client::http_client, wallet::DEVELOPMENT_TOKEN};

/// How long [`eventually`] waits.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often it looks.
const POLL: Duration = Duration::from_millis(50);

/// A caller of one service.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    headers: HeaderMap,
    limit: Option<Duration>,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as it came.
    pub text: String,
    /// Its body as JSON; null if it is none. Amounts are better read from [`Reply::text`].
    pub json: Value,
}

impl Api {
    /// A caller without credentials of the service at `base`.
    pub fn new(base: impl Into<String>) -> Self {
        Self::through(http_client(), base)
    }

    /// The same with a client of its own.
    pub fn through(http: reqwest::Client, base: impl Into<String>) -> Self {
        Self { http, base: base.into(), headers: HeaderMap::new(), limit: None }
    }

    /// The same caller with one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("the test gives a valid header");
        self.headers.insert(HeaderName::from_static(name), value);
        self
    }

    /// The same caller without a header.
    #[must_use]
    pub fn without(mut self, name: &'static str) -> Self {
        self.headers.remove(name);
        self
    }

    /// The same caller, who waits this long for an answer.
    #[must_use]
    pub fn patient(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The same caller as another service.
    #[must_use]
    pub fn as_service(&self) -> Self {
        self.clone().with("x-service-token", DEVELOPMENT_TOKEN)
    }

    /// The same caller as the user with this access token.
    #[must_use]
    pub fn as_user(&self, token: &str) -> Self {
        self.clone().with("authorization", &format!("Bearer {token}"))
    }

    /// The same caller with an `Idempotency-Key`.
    #[must_use]
    pub fn keyed(&self, key: &str) -> Self {
        self.clone().with("idempotency-key", key)
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None).await
    }

    /// GET of what is no text: its bytes.
    ///
    /// # Panics
    /// If it is not there.
    pub async fn get_bytes(&self, path: &str) -> Vec<u8> {
        let request = self.http.get(format!("{}{path}", self.base)).headers(self.headers.clone());
        let response = request.send().await.expect("an answer comes");
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.bytes().await.expect("it is whole").to_vec()
    }

    /// POST of a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, Some(body.to_string())).await
    }

    /// POST without a body.
    pub async fn post_empty(&self, path: &str) -> Reply {
        self.send(Method::POST, path, None).await
    }

    /// POST of a text that claims to be JSON.
    pub async fn post_text(&self, path: &str, body: &str) -> Reply {
        self.send(Method::POST, path, Some(body.to_owned())).await
    }

    /// PUT of a JSON body.
    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PUT, path, Some(body.to_string())).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, None).await
    }

    /// Any request.
    ///
    /// # Panics
    /// If no answer comes.
    pub async fn send(&self, method: Method, path: &str, body: Option<String>) -> Reply {
        self.try_send(method, path, body).await.unwrap_or_else(|error| panic!("no answer from {path}: {error:?}"))
    }

    /// Any request, which may remain without an answer.
    pub async fn try_send(&self, method: Method, path: &str, body: Option<String>) -> reqwest::Result<Reply> {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).headers(self.headers.clone());
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        if let Some(limit) = self.limit {
            request = request.timeout(limit);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await?;
        let json = serde_json::from_str(&text).unwrap_or_default();
        Ok(Reply { status, headers, text, json })
    }
}

impl Reply {
    /// The answer, which must have this status.
    ///
    /// # Panics
    /// If it has another one; the message shows the body.
    #[track_caller]
    #[must_use]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "the answer was {}", self.text);
        self
    }

    /// The answer, which must be an error with this status and code.
    ///
    /// # Panics
    /// If it is not; the message shows the body.
    #[track_caller]
    #[must_use]
    pub fn expect_error(self, status: u16, code: &str) -> Self {
        let reply = self.expect(status);
        assert_eq!(reply["code"], code, "the answer was {}", reply.text);
        assert!(reply["error"].is_string() && reply["request_id"].is_string(), "the answer was {}", reply.text);
        reply
    }

    /// A header's value, empty if it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The member `id` of the body.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn id(&self) -> i64 {
        self["id"].as_i64().unwrap_or_else(|| panic!("no id in {}", self.text))
    }

    /// The path of the next page, from the `Link` header.
    pub fn next(&self) -> Option<String> {
        let (path, rel) = self.header("link").split_once('>')?;
        rel.contains("rel=\"next\"").then(|| path.trim_start_matches('<').to_owned())
    }
}

impl Index<&str> for Reply {
    type Output = Value;
    fn index(&self, member: &str) -> &Value {
        &self.json[member]
    }
}

/// Serves `router` on a free port until the test ends, and returns its base URL.
///
/// # Panics
/// If the loopback address has no free port.
pub async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound port has an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// Waits until `look` finds what it looks for.
///
/// # Panics
/// If it does not within a minute; the message says `what` was waited for.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(POLL).await;
    }
}
