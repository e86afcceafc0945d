//! A kept connection to a service.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, StatusCode, Uri,
    body::Bytes,
    client::conn::http1::{SendRequest, handshake},
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The most of an unexpected answer that is shown, in bytes.
const MAX_SHOWN: usize = 300;

/// A connection with at most one request under way.
#[derive(Debug)]
pub struct Connection {
    requests: SendRequest<Full<Bytes>>,
    host: HeaderValue,
}

/// A request. Everything in it is cheap to clone.
#[derive(Debug)]
pub struct Ask<'a> {
    /// GET, POST or PUT.
    pub method: Method,
    /// The path.
    pub uri: &'a Uri,
    /// The `Authorization`, if one is shown.
    pub bearer: Option<&'a HeaderValue>,
    /// The JSON body; empty if there is none.
    pub body: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Bytes,
}

impl Connection {
    /// Connects. Must be called on the runtime that then uses the connection.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let connect = || format!("no connection to {address}");
        let stream = TcpStream::connect(address).await.with_context(connect)?;
        stream.set_nodelay(true)?;
        let (requests, connection) = handshake(TokioIo::new(stream)).await.with_context(connect)?;
        // A connection that breaks is seen by the request that is under way on it.
        tokio::task::spawn_local(async { connection.await.ok() });
        Ok(Self { requests, host: HeaderValue::try_from(address.to_string())? })
    }

    /// Sends a request and reads the answer.
    pub async fn ask(&mut self, ask: Ask<'_>) -> Result<Answer> {
        let shown = || format!("{} {} brought no answer", ask.method, ask.uri);
        let mut request = Request::new(Full::new(Bytes::from(ask.body)));
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() = ask.uri.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(CONTENT_TYPE, const { HeaderValue::from_static("application/json") });
        if let Some(bearer) = ask.bearer {
            headers.insert(AUTHORIZATION, bearer.clone());
        }
        self.requests.ready().await.with_context(shown)?;
        let response = self.requests.send_request(request).await.with_context(shown)?;
        let status = response.status();
        let body = response.into_body().collect().await.with_context(shown)?.to_bytes();
        Ok(Answer { status, body })
    }
}

impl Answer {
    /// Fails, with the answer as the example, unless it has this status.
    pub fn expect(self, status: StatusCode) -> Result<Self> {
        if self.status == status {
            return Ok(self);
        }
        bail!("an answer was not {status} but {}: {}", self.status, self.shown())
    }

    /// Fails unless it is an error with this status and code.
    pub fn expect_error(self, status: StatusCode, code: &str) -> Result<Self> {
        let answer = self.expect(status)?;
        if answer.body.windows(code.len()).any(|part| part == code.as_bytes()) {
            return Ok(answer);
        }
        bail!("an answer was not refused as {code}: {}", answer.shown())
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.body[..self.body.len().min(MAX_SHOWN)]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: StatusCode, body: &'static str) -> Answer {
        Answer { status, body: Bytes::from_static(body.as_bytes()) }
    }

    #[test]
    fn an_unexpected_answer_is_shown() {
        let error = answer(StatusCode::ACCEPTED, r#"{"id":1}"#).expect(StatusCode::CREATED).unwrap_err();
        assert_eq!(error.to_string(), r#"an answer was not 201 Created but 202 Accepted: {"id":1}"#);
    }

    #[test]
    fn a_refusal_must_have_the_right_reason() {
        let refused = || answer(StatusCode::BAD_REQUEST, r#"{"code":"insufficient_balance"}"#);
        assert!(refused().expect_error(StatusCode::BAD_REQUEST, "insufficient_balance").is_ok());
        assert!(refused().expect_error(StatusCode::BAD_REQUEST, "balance_limit").is_err());
        assert!(refused().expect_error(StatusCode::NOT_FOUND, "insufficient_balance").is_err());
    }
}
