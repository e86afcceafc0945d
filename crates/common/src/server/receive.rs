//! What a request brings is read whole before the request takes a place among those that are worked on: whoever sends a
//! body slowly, or half of one, waits without holding up others.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, OnceLock},
    task::Poll,
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{DefaultBodyLimit, FromRequest, MatchedPath, Request, State},
    http::{Method, StatusCode, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::{pin_mut, poll};
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::Span;

use super::{limits::Limits, request::CALLER};
use crate::{
    caller::{Gatekeeper, Identity, address::ClientAddress},
    codes,
    describe::LONGEST_BODY,
    error::{ApiError, Result},
    extract::{MAX_BODY, MAX_INTERNAL_BODY},
    fields,
    origin::Origin,
};

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests that one instance works on at once for users, and as many again for other services. What comes beyond would only
/// wait for the database, like those before it.
pub const MAX_IN_FLIGHT: usize = 4096;
/// The longest body that anybody may send, in bytes: routes that take longer ones are for services.
const MAX_OPEN_BODY: usize = 1024 * 1024;
/// Routes below take longer bodies, from services.
const INTERNAL: &str = "/internal/";

/// Receives requests. Cheap to clone.
#[derive(Clone)]
pub struct Receiver {
    inner: Arc<Inner>,
    /// Whether what comes beyond the limits, or finds no room, is refused.
    is_bounded: bool,
}

struct Inner {
    gatekeeper: Gatekeeper,
    limits: Option<Limits>,
    /// By route and method; known once all routes are described.
    routes: OnceLock<HashMap<String, HashMap<String, Takes>>>,
    users: Semaphore,
    services: Semaphore,
}

/// What a route takes beside its path, as its description says.
#[derive(Debug, Clone, Copy)]
struct Takes {
    query: bool,
    body: bool,
    /// The longest body, in bytes.
    longest: usize,
}

impl Receiver {
    /// A receiver with room for so many requests at once of users, and of services.
    pub fn new(gatekeeper: Gatekeeper, limits: Option<Limits>, room: usize) -> Self {
        let (users, services) = (Semaphore::new(room), Semaphore::new(room));
        let inner = Inner { gatekeeper, limits, routes: OnceLock::new(), users, services };
        Self { inner: Arc::new(inner), is_bounded: true }
    }

    /// The same, for routes that are answered however much is asked.
    #[must_use]
    pub fn unbounded(&self) -> Self {
        Self { inner: self.inner.clone(), is_bounded: false }
    }

    /// Learns from the API's description what each route takes.
    pub fn learn(&self, document: &Value) {
        let takes = |operation: &Value| {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let query = parameters.into_iter().any(|parameter| parameter["in"] == "query");
            let longest = operation[LONGEST_BODY].as_u64().and_then(|bytes| usize::try_from(bytes).ok());
            Takes { query, body: !operation["requestBody"].is_null(), longest: longest.unwrap_or(MAX_BODY) }
        };
        let paths = document["paths"].as_object().into_iter().flatten();
        let routes = paths.map(|(path, methods)| {
            let methods = methods.as_object().into_iter().flatten();
            (path.clone(), methods.map(|(method, operation)| (method.to_uppercase(), takes(operation))).collect())
        });
        self.inner.routes.get_or_init(|| routes.collect());
    }

    fn takes(&self, parts: &Parts) -> Option<Takes> {
        let method = if parts.method == Method::HEAD { &Method::GET } else { &parts.method };
        let path = parts.extensions.get::<MatchedPath>()?;
        self.inner.routes.get()?.get(path.as_str())?.get(method.as_str()).copied()
    }

    /// Counts the request of its client, and refuses it if that asks for too much.
    fn count(&self, parts: &Parts, identity: Identity) -> Result<()> {
        match self.inner.limits.as_ref().filter(|_| self.is_bounded) {
            Some(limits) => limits.admit(self.client(parts), identity),
            None => Ok(()),
        }
    }

    fn client(&self, parts: &Parts) -> IpAddr {
        ClientAddress::of_request(parts, &self.inner.gatekeeper).0
    }

    /// A place among the requests that are worked on, or a refusal at once. Other services have room of their own: what users
    /// send does not keep services from each other.
    fn place(&self, is_service: bool) -> Result<Option<SemaphorePermit<'_>>> {
        if !self.is_bounded {
            return Ok(None);
        }
        let room = if is_service { &self.inner.services } else { &self.inner.users };
        room.try_acquire().map(Some).map_err(|_| codes::OVERLOADED.into())
    }

    /// Reads the request to its end.
    async fn receive(&self, parts: Parts, body: Body, is_service: bool) -> Result<Request> {
        let takes = self.takes(&parts);
        if takes.is_some_and(|takes| !takes.query) {
            fields::from_query::<()>(parts.uri.query().unwrap_or_default())?;
        }
        if body.is_end_stream() {
            return Ok(Request::from_parts(parts, Body::empty()));
        }
        let is_internal = is_service && parts.uri.path().starts_with(INTERNAL);
        let longest = takes.map_or(MAX_BODY, |takes| takes.longest);
        let longest = if is_service { longest } else { longest.min(MAX_OPEN_BODY) };
        let limit = if is_internal { MAX_INTERNAL_BODY } else { longest };
        let bytes = self.read(&parts, body, limit, is_service).await?;
        if takes.is_some_and(|takes| !takes.body) && !bytes.is_empty() {
            fields::from_json::<()>(&bytes)?;
        }
        let mut request = Request::from_parts(parts, Body::from(bytes));
        DefaultBodyLimit::disable().apply(&mut request); // it has been kept
        Ok(request)
    }

    async fn read(&self, parts: &Parts, body: Body, limit: usize, is_service: bool) -> Result<Bytes> {
        let mut limited = Request::new(body);
        DefaultBodyLimit::max(limit).apply(&mut limited);
        let reading = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(limited, &()));
        pin_mut!(reading);
        let read = match poll!(&mut reading) {
            Poll::Ready(read) => read,
            Poll::Pending => {
                let limits = self.inner.limits.as_ref().filter(|_| !is_service);
                let _waiting = limits.map(|limits| limits.wait_for_body(self.client(parts))).transpose()?;
                reading.await
            }
        };
        read.map_err(|_| codes::MALFORMED_BODY)?.map_err(|rejection| {
            let is_long = rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE;
            ApiError::new(if is_long { codes::BODY_TOO_LARGE } else { codes::MALFORMED_BODY })
        })
    }
}

/// Serves a request that is within the limits, once it is there whole and is one that its route takes, if there is room.
pub async fn layer(State(receiver): State<Receiver>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let identity = receiver.inner.gatekeeper.identify(&parts.headers);
    let mut origin = Origin::current();
    if let Ok(caller) = identity.caller() {
        let caller = caller.to_string();
        Span::current().record(CALLER, tracing::field::display(&caller));
        origin.actor = Some(caller.into());
    }
    parts.extensions.insert(identity);
    let is_service = identity.is_service();
    let served = async {
        receiver.count(&parts, identity)?;
        let request = receiver.receive(parts, body, is_service).await?;
        let _place = receiver.place(is_service)?;
        Ok(origin.scope(next.run(request)).await)
    };
    served.await.unwrap_or_else(ApiError::into_response)
}

#[cfg(test)]
mod tests {
    use axum::{
        Router, middleware,
        routing::{get, post},
    };
    use lab::{
        http::{Api, serve},
        wallet::DEVELOPMENT_TOKEN,
    };
    use serde_json::json;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        sync::Notify,
    };

    use super::*;
    use crate::config::Env;

    fn gatekeeper() -> Gatekeeper {
        let mut env = Env::new(|name| (name == "APP_ENV").then(|| "development".to_owned()));
        Gatekeeper::new(&env.service("user-service", 5001, "digital_wallet"), None)
    }

    /// An app whose requests end when `end` says so.
    async fn slow(receiver: Receiver) -> (Api, Arc<Notify>, Arc<Notify>) {
        let (begun, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (inside, outside) = ((begun.clone(), end.clone()), (begun, end));
        let work = async move |_: Bytes| {
            inside.0.notify_one();
            inside.1.notified().await;
        };
        let app = Router::new().route("/", post(work)).layer(middleware::from_fn_with_state(receiver, layer));
        let app = app.layer(middleware::from_fn(crate::server::request_layer));
        (Api::new(serve(app).await), outside.0, outside.1)
    }

    #[tokio::test]
    async fn what_does_not_fit_in_is_refused_at_once_and_services_have_room_of_their_own() {
        let (api, begun, end) = slow(Receiver::new(gatekeeper(), None, 1)).await;
        let post = |api: Api| tokio::spawn(async move { api.post("/", json!({})).await });
        let first = post(api.clone());
        begun.notified().await;
        let refused = api.post("/", json!({})).await.expect_error(503, "overloaded");
        assert_eq!(refused.header("retry-after"), "1");
        let service = post(api.clone().with("x-service-token", DEVELOPMENT_TOKEN));
        begun.notified().await;
        end.notify_waiters();
        let _ = first.await.unwrap().expect(200);
        let _ = service.await.unwrap().expect(200);
    }

    /// A request whose body has begun and does not end.
    async fn unfinished(address: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address.trim_start_matches("http://")).await.unwrap();
        let head = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 100\r\n\r\n{";
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    #[tokio::test]
    async fn an_unfinished_body_holds_no_place() {
        let app = Router::new().route("/", post(async |_: Bytes| "done"));
        let receiver = Receiver::new(gatekeeper(), None, 1);
        let address = serve(app.layer(middleware::from_fn_with_state(receiver, layer))).await;
        let mut half = Vec::new();
        for _ in 0..20 {
            half.push(unfinished(&address).await);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let _ = Api::new(address).post("/", json!({})).await.expect(200);
    }

    #[tokio::test]
    async fn one_client_has_a_bounded_number_of_unfinished_bodies() {
        let limits = Limits::new(1000.try_into().unwrap());
        let receiver = Receiver::new(gatekeeper(), Some(limits), 10);
        let app = Router::new().route("/", post(async |_: Bytes| "done"));
        let app = app.layer(middleware::from_fn_with_state(receiver, layer));
        let address = serve(app).await;
        let mut half = Vec::new();
        for _ in 0..crate::server::limits::MAX_UNFINISHED {
            half.push(unfinished(&address).await);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut text = String::new();
        unfinished(&address).await.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 429 ") && text.contains("rate_limited"), "{text}");
        let _ = Api::new(address).post("/", json!({})).await.expect(200);
        drop(half);
    }

    #[tokio::test]
    async fn what_a_route_does_not_take_is_refused() {
        let app = Router::new()
            .route("/bare", post(async || "done").get(async || "read"))
            .route("/list", get(async || "list"));
        let receiver = Receiver::new(gatekeeper(), None, 10);
        receiver.learn(&json!({"paths": {
            "/bare": {"post": {}, "get": {}},
            "/list": {"get": {"parameters": [{"in": "query", "name": "limit"}]}},
        }}));
        let app = app
            .layer(middleware::from_fn_with_state(receiver, layer))
            .layer(middleware::from_fn(crate::server::request_layer));
        let api = Api::new(serve(app).await);
        for path in ["/bare?dry_run=true", "/bare?", "/bare"] {
            let is_plain = !path.contains("dry_run");
            let (got, posted) = (api.get(path).await, api.post_empty(path).await);
            for reply in [got, posted] {
                assert_eq!(reply.status == 200, is_plain, "{path}: {}", reply.text);
                if !is_plain {
                    let refused = reply.expect_error(400, "unknown_field");
                    assert_eq!(refused["fields"], json!({"dry_run": "is not known here"}));
                }
            }
        }
        let _ = api.get("/list?limit=1&x=2").await.expect(200); // the list itself knows what it takes
        let _ = api.post("/bare", json!({})).await.expect(200);
        let _ = api.post("/bare", json!({"force": true})).await.expect_error(400, "unknown_field");
        let _ = api.post("/bare", json!([])).await.expect_error(400, "invalid_body");
        let _ = api.post_text("/bare", "now").await.expect_error(400, "malformed_json");
    }
}
