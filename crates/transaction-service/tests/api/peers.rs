//! Stubs of the services that transaction-service calls.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use lab::{http::serve, ports::free_port, wallet::DEVELOPMENT_TOKEN};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore, task::AbortHandle};
use url::Url;

/// What user-service does with a verb.
#[derive(Clone)]
pub enum Reaction {
    /// Carries it out.
    Applies,
    /// Refuses it with this code.
    Refuses(&'static str),
    /// Refuses it for a limit, with these details.
    Exceeds(Value),
    /// Answers the whole call with this status and body.
    Answers(u16, &'static str),
    /// Takes the call and waits until it is let go on, then carries it out.
    Waits(Arc<Semaphore>),
}

/// A user-service that carries out every verb unless it is told otherwise, and remembers each call.
#[derive(Clone, Default)]
pub struct UserService(Arc<Mutex<UserState>>);

#[derive(Default)]
struct UserState {
    reactions: HashMap<&'static str, Reaction>,
    calls: Vec<Call>,
    /// Who has which address.
    addresses: HashMap<String, i64>,
    /// For whom addresses were looked up so far.
    lookups: Vec<Option<i64>>,
    retry_after: Option<u64>,
    /// The accounts that are not active, and what they are.
    states: HashMap<i64, &'static str>,
    /// True while nobody is told of accounts.
    says_nothing: bool,
}

#[derive(Deserialize)]
struct ReceiverQuery {
    email: String,
    asked_by: Option<i64>,
}

#[derive(Deserialize)]
struct UsersQuery {
    ids: i64,
}

/// A call as it came.
#[derive(Clone)]
pub struct Call {
    pub body: String,
    pub request_id: String,
}

impl UserService {
    /// Serves it on a free port.
    pub async fn start() -> (Self, Url) {
        let stub = Self::default();
        let url = serve(stub.router()).await.parse().expect("a URL");
        (stub, url)
    }

    /// Serves it on this port.
    pub async fn start_on(port: u16) -> Self {
        let stub = Self::default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.expect("the port is free");
        let router = stub.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        stub
    }

    fn router(&self) -> Router {
        Router::new()
            .route("/internal/operations", post(Self::operations))
            .route("/internal/receivers", get(|stub, asked| async { Self::receiver(stub, asked) }))
            .route("/internal/users", get(|stub, asked| async { Self::users(stub, asked) }))
            .route(
                "/internal/accounts",
                get(|State(stub): State<Self>, Query(asked)| async move { stub.accounts(&asked) }),
            )
            .with_state(self.clone())
    }

    /// From now on `verb` has this reaction.
    pub fn on(&self, verb: &'static str, reaction: Reaction) {
        self.0.lock().unwrap().reactions.insert(verb, reaction);
    }

    /// From now on the account of `user` has this state.
    pub fn puts(&self, user: i64, state: &'static str) {
        self.0.lock().unwrap().states.insert(user, state);
    }

    /// From now on nobody is told of accounts.
    pub fn says_nothing_of_accounts(&self) {
        self.0.lock().unwrap().says_nothing = true;
    }

    fn accounts(&self, asked: &HashMap<String, String>) -> Response {
        let state = self.0.lock().unwrap();
        if state.says_nothing {
            return answer(503, r#"{"code":"service_unavailable"}"#);
        }
        let account = |id: &str| {
            let id = id.parse().expect("services ask for numbers");
            let mut account = lab::accounts::account(id);
            account["state"] = json!(state.states.get(&id).unwrap_or(&"active"));
            account
        };
        let exists = |id: &&str| *id != lab::accounts::NOBODY.to_string();
        answer(200, &json!(asked["ids"].split(',').filter(exists).map(account).collect::<Vec<_>>()).to_string())
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.0.lock().unwrap().calls.clone()
    }

    /// The verbs that were asked for so far, in order.
    pub fn verbs(&self) -> Vec<String> {
        let steps = |call: &Call| -> Vec<String> {
            let body: Value = serde_json::from_str(&call.body).expect("a JSON body");
            body["operations"].as_array().expect("a list").iter().map(verb_of).collect()
        };
        self.calls().iter().flat_map(steps).collect()
    }

    /// From now on `email` is the address of `user`, and of nobody else.
    pub fn has_address(&self, user: i64, email: &str) {
        self.0.lock().unwrap().addresses.insert(email.to_owned(), user);
    }

    /// From now on whoever asks for an address has asked too often, and waits so many seconds.
    pub fn refuses_lookups(&self, seconds: u64) {
        self.0.lock().unwrap().retry_after = Some(seconds);
    }

    /// For whom addresses were looked up so far.
    pub fn lookups(&self) -> Vec<Option<i64>> {
        self.0.lock().unwrap().lookups.clone()
    }

    fn receiver(State(stub): State<Self>, Query(asked): Query<ReceiverQuery>) -> Json<Value> {
        let mut state = stub.0.lock().unwrap();
        state.lookups.push(asked.asked_by);
        Json(match (state.retry_after, state.addresses.get(&asked.email)) {
            (Some(seconds), _) => json!({"retry_after": seconds}),
            (None, Some(id)) => json!({"id": id}),
            (None, None) => json!({}),
        })
    }

    fn users(State(stub): State<Self>, Query(UsersQuery { ids }): Query<UsersQuery>) -> Json<Value> {
        let addresses = stub.0.lock().unwrap().addresses.clone();
        let found = addresses.into_iter().filter(|(_, user)| *user == ids);
        Json(found.map(|(email, user)| json!({"id": user, "email": email})).collect())
    }

    fn reaction(&self, verb: &str) -> Reaction {
        self.0.lock().unwrap().reactions.get(verb).cloned().unwrap_or(Reaction::Applies)
    }

    async fn operations(State(stub): State<Self>, headers: HeaderMap, body: Bytes) -> Response {
        let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        if header("x-service-token") != DEVELOPMENT_TOKEN {
            return answer(401, r#"{"code":"invalid_service_token"}"#);
        }
        let body = String::from_utf8(body.into()).expect("a UTF-8 body");
        let operations: Value = serde_json::from_str(&body).expect("a JSON body");
        stub.0.lock().unwrap().calls.push(Call { body, request_id: header("x-request-id") });
        let mut outcomes = Vec::new();
        for step in operations["operations"].as_array().expect("a list of steps") {
            outcomes.push(match stub.reaction(&verb_of(step)) {
                Reaction::Applies => json!({"outcome": "applied"}),
                Reaction::Refuses(code) => json!({"outcome": "refused", "code": code}),
                Reaction::Exceeds(details) => {
                    json!({"outcome": "refused", "code": "limit_exceeded", "exceeded": details})
                }
                Reaction::Answers(status, body) => return answer(status, body),
                Reaction::Waits(gate) => {
                    gate.acquire().await.expect("an open gate").forget();
                    json!({"outcome": "applied"})
                }
            });
        }
        answer(200, &json!({"outcomes": outcomes}).to_string())
    }
}

fn verb_of(step: &Value) -> String {
    step.as_object().and_then(|step| step.keys().next().cloned()).expect("a step names its verb")
}

fn answer(status: u16, body: &str) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [("content-type", "application/json")], body.to_owned()).into_response()
}

/// A peer that nobody can reach.
pub fn unreachable() -> Url {
    format!("http://127.0.0.1:{}", free_port()).parse().expect("a URL")
}

/// A peer that takes every request and hangs up, until it is aborted.
pub async fn silent() -> (Url, AbortHandle) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())).await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("a bound port")).parse().expect("a URL");
    let serving = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            socket.readable().await.ok();
        }
    });
    (url, serving.abort_handle())
}

/// A notification-service that keeps what it is told.
#[derive(Clone, Default)]
pub struct Notifications(Arc<Mutex<NotificationState>>);

#[derive(Default)]
struct NotificationState {
    failures_left: u32,
    refused_description: Option<&'static str>,
    told: Vec<Value>,
}

impl Notifications {
    /// Serves it on a free port.
    pub async fn start() -> (Self, Url) {
        let stub = Self::default();
        let receive =
            |State(stub): State<Self>, headers: HeaderMap, body: Bytes| async move { stub.receive(&headers, &body) };
        let router = Router::new().route("/internal/facts", post(receive)).with_state(stub.clone());
        (stub, serve(router).await.parse().expect("a URL"))
    }

    /// Fails the next `calls`.
    pub fn fail(&self, calls: u32) {
        self.0.lock().unwrap().failures_left = calls;
    }

    /// Refuses every batch with a transaction that is described so.
    pub fn refuse(&self, text: &'static str) {
        self.0.lock().unwrap().refused_description = Some(text);
    }

    /// The facts that it was told, in order.
    pub fn told(&self) -> Vec<Value> {
        self.0.lock().unwrap().told.clone()
    }

    fn receive(&self, headers: &HeaderMap, body: &[u8]) -> Response {
        if headers.get("x-service-token").is_none_or(|token| token != DEVELOPMENT_TOKEN) {
            return answer(401, r#"{"code":"invalid_service_token"}"#);
        }
        let body: Value = serde_json::from_slice(body).expect("a JSON body");
        let facts = body["facts"].as_array().expect("a list of facts").clone();
        let mut state = self.0.lock().unwrap();
        if state.failures_left > 0 {
            state.failures_left -= 1;
            return answer(500, r#"{"code":"internal_error"}"#);
        }
        if state
            .refused_description
            .is_some_and(|refused| facts.iter().any(|fact| fact["data"]["description"] == refused))
        {
            return answer(400, r#"{"code":"invalid_value"}"#);
        }
        state.told.extend(facts);
        answer(200, "{}")
    }
}
