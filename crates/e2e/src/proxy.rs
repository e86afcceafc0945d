//! A TCP proxy that stands between two services and loses what the test wants lost.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// What happens to what passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// Everything arrives.
    Pass,
    /// Requests arrive; answers do not, and the connection stays open.
    SwallowAnswers,
    /// Requests arrive; the connection breaks when the answer comes.
    CutAnswers,
}

/// A proxy before one service.
pub struct Proxy {
    address: SocketAddr,
    mode: Arc<AtomicU8>,
}

impl Proxy {
    /// A proxy before `target`, a base URL such as `http://127.0.0.1:5001`.
    ///
    /// # Panics
    /// If the loopback address has no free port.
    pub async fn start(target: &str) -> Self {
        let target = target.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound port has an address");
        let mode = Arc::new(AtomicU8::new(Mode::Pass as u8));
        let shared = mode.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, target.clone(), shared.clone()));
            }
        });
        Self { address, mode }
    }

    /// The proxy's base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes what happens from now on, on open connections too.
    pub fn set(&self, mode: Mode) {
        self.mode.store(mode as u8, Ordering::SeqCst);
    }
}

async fn relay(client: TcpStream, target: String, mode: Arc<AtomicU8>) {
    // A target that is down refuses: dropping the client's connection tells it so.
    let Ok(server) = TcpStream::connect(&target).await else { return };
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let requests = tokio::spawn(copy(client_in, server_out));
    answers(server_in, client_out, &mode).await;
    requests.abort();
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    tokio::io::copy(&mut from, &mut to).await.ok();
    to.shutdown().await.ok();
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mode: &AtomicU8) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => read,
        };
        match mode.load(Ordering::SeqCst) {
            mode if mode == Mode::SwallowAnswers as u8 => {}
            mode if mode == Mode::CutAnswers as u8 => return,
            _ if to.write_all(&buffer[..read]).await.is_err() => return,
            _ => {}
        }
    }
}
