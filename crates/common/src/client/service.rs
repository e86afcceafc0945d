//! Calls to other services, and what their failure means: the money may have moved, or certainly has not.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use fault::{Injected, Point};
use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use reqwest::{
    Method, Request, RequestBuilder, StatusCode,
    header::{HOST, HeaderMap, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::time::{sleep, timeout};
use url::Url;

use super::instances::Instances;
use crate::{
    as_of,
    code::Code,
    codes,
    config::ServiceConfig,
    error::{ApiError, error_chain},
    headers::{REQUEST_ID, SERVICE_NAME, SERVICE_TOKEN},
    origin::Origin,
};

/// How long a connection to another service may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an instance may be silent before another one is asked: half of what the gateway gives the whole request.
const SILENCE: Duration = Duration::from_millis(500);
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
            _ => Self::new(codes::SERVICE_UNAVAILABLE).because(error),
        }
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    code: String,
}

/// One other service, as this one calls it. Cheap to clone.
///
/// Every route that is called so may be asked twice: it reads, or what it is asked for has an identity. So a call that an instance
/// leaves without an answer goes on to another one.
#[derive(Debug, Clone)]
pub struct ServiceClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    base: Url,
    /// `None` if it can only be called by its name.
    instances: Option<Instances>,
    token: SecretString,
    /// What this service calls itself.
    name: &'static str,
    service: &'static str,
}

/// Lets TLS of this process use one cryptography, and no other. A second call changes nothing.
fn use_ring() {
    rustls::crypto::ring::default_provider().install_default().ok();
}

/// The client of a process, which all its [`ServiceClient`]s share.
#[expect(clippy::disallowed_methods, reason = "this is the client that the rest of the code asks for")]
pub fn http_client() -> reqwest::Client {
    use_ring();
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
    use_ring();
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
    /// A client of `service` at `base`, which shows who `config` says that we are.
    pub fn new(config: &ServiceConfig, http: reqwest::Client, service: &'static str, base: Url) -> Self {
        let (instances, token, name) = (Instances::at(&base), config.service_token.clone(), config.name);
        Self(Arc::new(Inner { http, base, instances, token, name, service }))
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
        let request = self.0.http.request(method, url);
        request.header(SERVICE_TOKEN, self.0.token.expose_secret()).header(SERVICE_NAME, self.0.name)
    }

    /// Sends a request, and tells the service what it is for.
    async fn send<T: DeserializeOwned>(
        &self,
        point: Point,
        path: &str,
        request: RequestBuilder,
    ) -> Result<(T, HeaderMap), CallError> {
        let Origin { request_id, trace, .. } = Origin::current();
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
        let request = request.build().map_err(|cause| CallError::NotReached { service, cause: error_chain(&cause) })?;
        let asking = timeout(CALL_TIMEOUT, self.ask(request));
        let (status, headers, body) = asking.await.map_err(|_| unknown(&"it took too long"))??;
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

    /// The first answer of an instance. Another one is asked in its place if it is not there, and beside it if it is silent; but
    /// that only if the other has answered of late: where all are slow, more requests would only add to the load. That one refuses a request
    /// says nothing about another that was asked, too, and may be of another version: unless it only reads, that one is waited for.
    async fn ask(&self, request: Request) -> Result<Answer, CallError> {
        let Some(instances) = &self.0.instances else { return self.ask_at(request, None).await };
        let mut others = instances.in_order().await.into_iter().peekable();
        let Some((mut address, _)) = others.next() else {
            let cause = format!("nobody knows the name in {}", self.0.base);
            return Err(CallError::NotReached { service: self.0.service, cause });
        };
        let (mut asked, mut failed, mut refused) = (FuturesUnordered::new(), None, None);
        let only_reads = request.method().is_safe();
        loop {
            let copy = request.try_clone().expect("bodies are in memory");
            asked.push(self.ask_at(copy, Some(address)).map(move |answer| (address, answer)));
            (address, _) = loop {
                tokio::select! {
                    Some((by, answer)) = asked.next() => match answer {
                        Ok(answer) => {
                            instances.answered(by);
                            let was_sent_elsewhere = !asked.is_empty() || matches!(failed, Some(CallError::Unknown { .. }));
                            if only_reads || !answer.0.is_client_error() || !was_sent_elsewhere {
                                return Ok(answer);
                            }
                            if let Some(error) = failed.take_if(|_| asked.is_empty()) {
                                return Err(error);
                            }
                            refused = Some(answer);
                        }
                        Err(error) => {
                            instances.silent(by);
                            let error = worse(failed.take(), error);
                            let other = if refused.is_none() { others.next() } else { None };
                            if other.is_none() && asked.is_empty() {
                                return match (refused, error) {
                                    (Some(answer), CallError::NotReached { .. }) => Ok(answer),
                                    (_, error) => Err(error),
                                };
                            }
                            failed = Some(error);
                            if let Some(other) = other {
                                break other;
                            }
                        }
                    },
                    () = sleep(SILENCE) => {
                        instances.silent(address);
                        if let Some(other) = others.next_if(|(_, answers)| *answers && refused.is_none()) {
                            break other;
                        }
                    }
                }
            };
        }
    }

    /// The answer of the instance at `address`, or of whoever has the name.
    async fn ask_at(&self, mut request: Request, address: Option<SocketAddr>) -> Result<Answer, CallError> {
        let service = self.0.service;
        if let Some(address) = address {
            let name = HeaderValue::try_from(self.0.base.authority()).expect("a URL's authority is ASCII");
            request.headers_mut().insert(HOST, name);
            let url = request.url_mut();
            url.set_ip_host(address.ip()).expect("an http URL has a host");
            url.set_port(Some(address.port())).expect("an http URL has a port");
        }
        let response = self.0.http.execute(request).await.map_err(|cause| {
            let reached = !cause.is_connect();
            let cause = error_chain(&cause);
            if reached { CallError::Unknown { service, cause } } else { CallError::NotReached { service, cause } }
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await;
        let body = body.map_err(|cause| CallError::Unknown { service, cause: error_chain(&cause) })?;
        Ok((status, headers, body))
    }
}

type Answer = (StatusCode, HeaderMap, Bytes);

/// The error for several failures: it says that nothing was sent only if nothing was.
fn worse(before: Option<CallError>, error: CallError) -> CallError {
    before.filter(|before| matches!(before, CallError::Unknown { .. })).unwrap_or(error)
}

#[cfg(test)]
mod tests;
