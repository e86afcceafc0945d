//! Calls to other services, and what their failure means: the money may have moved, or certainly has not.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderMap};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use url::Url;

use crate::{
    ApiError, Code,
    caller::SERVICE_TOKEN,
    context::{Origin, REQUEST_ID},
    error::error_chain,
    fault::{Injected, Point},
    http::as_of,
};

/// How long a connection to another service may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a call may take in all.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections to one service that are kept for the next call.
const MAX_IDLE_CONNECTIONS: usize = 32;

/// Why a call brought no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// No connection came about: the request was certainly not sent.
    #[error("{service} could not be reached: {cause}")]
    NotReached {
        /// Who was called.
        service: &'static str,
        /// What the connection failed of.
        cause: String,
    },
    /// The request was sent and no usable answer came: it may have taken effect, or still may.
    #[error("the outcome of a call to {service} is not known: {cause}")]
    Unknown {
        /// Who was called.
        service: &'static str,
        /// What went wrong: a time-out, a broken connection, a 5xx.
        cause: String,
    },
    /// The service understood and said no.
    #[error("{service} answered {status} {code}")]
    Refused {
        /// Who was called.
        service: &'static str,
        /// A 4xx.
        status: StatusCode,
        /// The stable code of the error.
        code: String,
    },
}

impl CallError {
    /// True if the service refused with this code. A status alone may come from something in between.
    pub fn has_code(&self, expected: Code) -> bool {
        matches!(self, Self::Refused { code, .. } if code == expected.name())
    }
}

/// For calls that only read: whatever went wrong, nothing was moved.
impl From<CallError> for ApiError {
    fn from(error: CallError) -> Self {
        match &error {
            CallError::Refused { status: StatusCode::BAD_REQUEST, .. } => Self::internal(error),
            _ => Self::new(Code::ServiceUnavailable).because(error),
        }
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    code: String,
}

/// One other service, as this one calls it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ServiceClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    base: Url,
    token: SecretString,
    service: &'static str,
}

/// The client of a process, which all its [`ServiceClient`]s share.
#[expect(clippy::disallowed_methods, reason = "this is the client that the rest of the code asks for")]
pub fn http_client() -> reqwest::Client {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
        .redirect(reqwest::redirect::Policy::none())
        // the environment may name a proxy for whatever else this machine does; it would get the service token
        .no_proxy()
        .build()
        .expect("the TLS roots of the system can be read")
}

/// The client of a thread that may wait, for the traces. It goes through no proxy either.
pub fn blocking_http_client() -> reqwest::blocking::Client {
    // it has a runtime of its own, which must not begin within another one
    let build = || {
        reqwest::blocking::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .expect("the TLS roots of the system can be read")
    };
    std::thread::spawn(build).join().expect("the client was built")
}

impl ServiceClient {
    /// A client of `service` at `base`, which shows `token`.
    pub fn new(http: reqwest::Client, base: Url, token: SecretString, service: &'static str) -> Self {
        Self(Arc::new(Inner { http, base, token, service }))
    }

    /// GET of `path`, with a query.
    pub async fn get<T: DeserializeOwned>(
        &self,
        point: Point,
        path: &str,
        query: &(impl Serialize + Sync),
    ) -> Result<T, CallError> {
        Ok(self.send(point, path, self.request(Method::GET, path).query(query)).await?.0)
    }

    /// The same, and the moment at which the answer was true, if the service says so.
    pub async fn get_as_of<T: DeserializeOwned>(
        &self,
        point: Point,
        path: &str,
        query: &(impl Serialize + Sync),
    ) -> Result<(T, Option<DateTime<Utc>>), CallError> {
        let (answer, headers) = self.send(point, path, self.request(Method::GET, path).query(query)).await?;
        Ok((answer, as_of::moment(&headers)))
    }

    /// POST of `body` to `path`.
    pub async fn post<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        point: Point,
        path: &str,
        body: &B,
    ) -> Result<T, CallError> {
        Ok(self.send(point, path, self.request(Method::POST, path).json(body)).await?.0)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = self.0.base.join(path).expect("paths are written in the code");
        self.0.http.request(method, url).header(SERVICE_TOKEN, self.0.token.expose_secret())
    }

    /// Sends a request, and tells the service what it is for.
    async fn send<T: DeserializeOwned>(
        &self,
        point: Point,
        path: &str,
        request: RequestBuilder,
    ) -> Result<(T, HeaderMap), CallError> {
        let Origin { request_id, trace } = Origin::current();
        let span = trace.call(self.0.service, path);
        let mut headers = HeaderMap::new();
        headers.extend(request_id.map(|id| (REQUEST_ID, id)));
        span.write(&mut headers);
        let answer = self.receive(point, request.headers(headers)).await;
        span.end(answer.as_ref().err().map(ToString::to_string));
        answer
    }

    async fn receive<T: DeserializeOwned>(
        &self,
        point: Point,
        request: RequestBuilder,
    ) -> Result<(T, HeaderMap), CallError> {
        let service = self.0.service;
        let unknown = |cause: &dyn std::fmt::Display| CallError::Unknown { service, cause: cause.to_string() };
        let not_reached = |injected: Injected| CallError::NotReached { service, cause: injected.to_string() };
        point.before().await.map_err(not_reached)?;
        let response = request.send().await.map_err(|cause| {
            let reached = !cause.is_connect();
            let cause = error_chain(&cause);
            if reached { CallError::Unknown { service, cause } } else { CallError::NotReached { service, cause } }
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(|cause| unknown(&cause))?;
        point.after().await.map_err(|injected| unknown(&injected))?;
        if status.is_client_error() {
            let code = serde_json::from_slice::<ErrorBody>(&body).map_or_else(|_| String::new(), |error| error.code);
            return Err(CallError::Refused { service, status, code });
        }
        if !status.is_success() {
            return Err(unknown(&status));
        }
        let answer = serde_json::from_slice(&body).map_err(|cause| unknown(&cause))?;
        Ok((answer, headers))
    }
}
