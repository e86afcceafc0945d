//! Connections as they come in: on all the addresses that the service listens on, and with a body for those errors that
//! hyper answers before there is a request.

use std::{
    io::{self, IoSlice},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener as AxumListener},
};
use futures::future::select_all;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

use super::request::fresh_id;
use crate::{caller::address::Peer, code::Code, codes, error::ApiError};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Listens on every address of a service.
#[derive(Debug)]
pub struct Listener(Vec<TcpListener>);

impl Listener {
    /// Listens on `port` at `hosts`, of which at least one must be there: not every machine has IPv6.
    pub fn bind(hosts: &[IpAddr], port: u16) -> io::Result<Self> {
        let (mut listeners, mut missing) = (Vec::new(), None);
        for host in hosts {
            match listen(SocketAddr::new(*host, port)) {
                Ok(listener) => listeners.push(listener),
                Err(error) if is_absent(&error) => missing = Some(error),
                Err(error) => return Err(error),
            }
        }
        match missing {
            Some(error) if listeners.is_empty() && hosts.contains(&Ipv6Addr::UNSPECIFIED.into()) => {
                listen(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))
                    .map(|one| Self(vec![one]))
                    .map_err(|_| error)
            }
            Some(error) if listeners.is_empty() => Err(error),
            _ => Ok(Self(listeners)),
        }
    }
}

/// True if the machine does not have the address, or addresses of its kind.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        socket.set_only_v6(false)?; // all addresses, whatever the system's default is
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

impl AxumListener for Listener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, address) = match self.0.as_mut_slice() {
            [only] => AxumListener::accept(only).await,
            several => select_all(several.iter_mut().map(|one| Box::pin(AxumListener::accept(one)))).await.0,
        };
        stream.set_nodelay(true).ok(); // an answer does not wait for the acknowledgement of the one before
        (Connection { stream, answer: None }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.first().ok_or(io::ErrorKind::NotConnected)?.local_addr()
    }
}

impl Connected<IncomingStream<'_, Listener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// A client's connection. What cannot be read as a request is answered by hyper, with a status alone; here it gets the body
/// that every error has.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    answer: Option<Answer>,
}

/// An answer that is being written in the place of hyper's.
#[derive(Debug)]
struct Answer {
    bytes: Vec<u8>,
    written: usize,
    /// Bytes of hyper's answer.
    instead_of: usize,
}

impl Connection {
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(answer) = &mut self.answer else { return Poll::Ready(Ok(0)) };
        while answer.written < answer.bytes.len() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &answer.bytes[answer.written..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            answer.written += written;
        }
        let instead_of = answer.instead_of;
        self.answer = None;
        Poll::Ready(Ok(instead_of))
    }
}

/// The code for an answer of hyper's own: a head with one of these statuses and no body. Answers of the service name their
/// request, and no JSON ends in line breaks.
fn refused_by_hyper(head: &[u8]) -> Option<Code> {
    let status = head.strip_prefix(b"HTTP/1.1 ").or_else(|| head.strip_prefix(b"HTTP/1.0 "))?.get(..3)?;
    let code = match status {
        b"400" => codes::MALFORMED_REQUEST,
        b"414" => codes::URI_TOO_LONG,
        b"431" => codes::HEADERS_TOO_LARGE,
        _ => return None,
    };
    if !head.ends_with(b"\r\n\r\n") {
        return None; // a part of a body, in which a user wrote this
    }
    let names_request = head.windows(REQUEST_ID.len()).any(|part| part.eq_ignore_ascii_case(REQUEST_ID));
    (!names_request).then_some(code)
}

const REQUEST_ID: &[u8] = b"x-request-id";

/// The whole answer for `code`, after which the connection ends.
fn answer(code: Code) -> Vec<u8> {
    let request_id = fresh_id();
    let request_id = request_id.to_str().unwrap_or_default();
    tracing::info!(status = code.status().as_u16(), code = code.name(), request_id, "refused before it was a request");
    let mut body = ApiError::new(code).body();
    body["request_id"] = request_id.into();
    let (status, body) = (code.status(), body.to_string());
    format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\
         x-request-id: {request_id}\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n\r\n{body}",
        status.as_str(),
        status.canonical_reason().unwrap_or_default(),
        body.len(),
    )
    .into_bytes()
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.answer.is_none() {
            let Some(code) = refused_by_hyper(bytes) else { return Pin::new(&mut self.stream).poll_write(cx, bytes) };
            self.answer = Some(Answer { bytes: answer(code), written: 0, instead_of: bytes.len() });
        }
        self.poll_answer(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.answer.is_none() {
            let Some(code) = parts.first().and_then(|head| refused_by_hyper(head)) else {
                return Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
            };
            let instead_of = parts.iter().map(|part| part.len()).sum();
            self.answer = Some(Answer { bytes: answer(code), written: 0, instead_of });
        }
        self.poll_answer(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, middleware, routing::get};
    use serde_json::Value;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn answers(requests: &[&[u8]]) -> Vec<(u16, String)> {
        let listener = Listener::bind(&[Ipv4Addr::LOCALHOST.into()], 0).unwrap();
        let address = AxumListener::local_addr(&listener).unwrap();
        let app =
            Router::new().route("/", get(async || "hello")).layer(middleware::from_fn(crate::server::request_layer));
        tokio::spawn(axum::serve(listener, app.into_make_service_with_connect_info::<Peer>()).into_future());
        let mut answers = Vec::new();
        for request in requests {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(request).await.unwrap();
            let mut text = Vec::new();
            stream.read_to_end(&mut text).await.ok();
            let text = String::from_utf8(text).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
            answers.push((head[9..12].parse().unwrap(), body.to_owned()));
        }
        answers
    }

    #[tokio::test]
    async fn what_is_no_request_is_answered_with_an_error_like_any_other() {
        let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(70_000));
        let wide = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "x-a: b\r\n".repeat(200));
        let requests: [&[u8]; 5] = [
            b"nonsense\r\n\r\n",
            b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: one\r\n\r\n",
            b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
            long.as_bytes(),
            wide.as_bytes(),
        ];
        let codes =
            ["malformed_request", "malformed_request", "malformed_request", "uri_too_long", "headers_too_large"];
        for ((status, body), code) in answers(&requests).await.into_iter().zip(codes) {
            let body: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{status} {body:?}"));
            assert_eq!(body["code"], code, "{status} {body}");
            assert!(body["error"].is_string() && body["request_id"].is_string(), "{body}");
        }
    }

    #[test]
    fn what_users_wrote_is_no_answer_of_hypers() {
        for part in [&b"HTTP/1.1 400 HTTP/1.1 400 \", \"id\": 1}"[..], b"HTTP/1.1 400", b"", b"\r\n\r\n"] {
            assert_eq!(refused_by_hyper(part), None, "{}", String::from_utf8_lossy(part));
        }
        let own = b"HTTP/1.1 400 Bad Request\r\nX-Request-Id: 1\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(refused_by_hyper(own), None);
        let hypers = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(refused_by_hyper(hypers), Some(codes::MALFORMED_REQUEST));
    }

    #[tokio::test]
    async fn what_the_service_answers_is_left_alone() {
        let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let nowhere = b"GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let answers = answers(&[request, nowhere]).await;
        assert_eq!(answers[0], (200, "hello".to_owned()));
        assert_eq!(answers[1].0, 404);
    }

    #[tokio::test]
    async fn all_addresses_are_those_of_both_kinds() {
        let everywhere = Listener::bind(&[Ipv6Addr::UNSPECIFIED.into()], 0).unwrap();
        let port = AxumListener::local_addr(&everywhere).unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        if let Ok(probe) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await {
            drop(probe);
            TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await.unwrap();
        }
    }
}
