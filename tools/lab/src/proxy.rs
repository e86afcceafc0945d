//! A TCP proxy that stands between two programs and loses what the test wants lost.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    time::sleep,
};

/// The most that is passed on at a time.
const CHUNK: usize = 64 * 1024;

/// The bytes that a COMMIT takes on the way to the database, plainly and encrypted.
const COMMIT: [usize; 2] = [11, 33];
/// How long a connection stays open after a late request: a server may drop what it reads from one that is closed.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);

/// What happens to what passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everything arrives.
    Pass,
    /// Requests arrive; answers do not, and the connection stays open.
    SwallowAnswers,
    /// Requests arrive; the connection breaks when the answer comes.
    CutAnswers,
    /// Nothing arrives, and connections stay open; what was under way arrives when this ends.
    Blackhole,
    /// Everything arrives this much later.
    Delay(Duration),
    /// Connections break, those that are open and new ones.
    Reset,
    /// At every second POST, PUT or COMMIT the connection breaks, and it arrives this much later.
    Late(Duration),
    /// Each request arrives twice, side by side; the second answer is dropped. Connections that were open break.
    Repeat,
}

/// A proxy before one program, or before several that do the same.
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
}

/// Where connections go.
struct Targets {
    addresses: Vec<String>,
    next: AtomicUsize,
    /// Requests that came while every second one was to be late.
    late: AtomicUsize,
}

impl Targets {
    /// A connection to one of them, by turns; to the next one if it does not answer.
    async fn connect(&self) -> Option<TcpStream> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        for index in 0..self.addresses.len() {
            let address = &self.addresses[(first + index) % self.addresses.len()];
            if let Ok(connection) = TcpStream::connect(address).await {
                connection.set_nodelay(true).ok();
                return Some(connection);
            }
        }
        None
    }
}

impl Proxy {
    /// A proxy before `target`, a base URL such as `http://127.0.0.1:5001`.
    ///
    /// # Panics
    /// If the loopback address has no free port.
    pub async fn start(target: &str) -> Self {
        Self::before(vec![target.trim_start_matches("http://").to_owned()]).await
    }

    /// A proxy before programs at these addresses, such as `127.0.0.1:3306`.
    ///
    /// # Panics
    /// If the loopback address has no free port.
    pub async fn before(addresses: Vec<String>) -> Self {
        let targets = Arc::new(Targets { addresses, next: AtomicUsize::new(0), late: AtomicUsize::new(0) });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound port has an address");
        let (mode, watched) = watch::channel(Mode::Pass);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                client.set_nodelay(true).ok();
                tokio::spawn(relay(client, targets.clone(), watched.clone()));
            }
        });
        Self { address, mode }
    }

    /// The proxy's base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Changes what happens from now on, on open connections too.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn relay(client: TcpStream, targets: Arc<Targets>, mut mode: watch::Receiver<Mode>) {
    let began_as = *mode.borrow_and_update();
    if began_as == Mode::Reset {
        return;
    }
    // A target that is down refuses: dropping the client's connection tells it so.
    let Some(server) = targets.connect().await else { return };
    let second = if began_as == Mode::Repeat { targets.connect().await } else { None };
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let second = second.map(|second| {
        let (answers, requests) = second.into_split();
        tokio::spawn(drain(answers));
        requests
    });
    let breaks = async {
        let ends = |mode: &Mode| *mode == Mode::Reset || (*mode == Mode::Repeat) != (began_as == Mode::Repeat);
        // a proxy that is gone breaks nothing
        if mode.clone().wait_for(ends).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = breaks => {}
        () = answers(server_in, client_out, mode.clone()) => {}
        () = requests(client_in, server_out, second, mode.clone(), &targets.late) => {}
    }
}

/// Passes requests on until the connection of the server ends.
async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut second: Option<OwnedWriteHalf>,
    mut mode: watch::Receiver<Mode>,
    late: &AtomicUsize,
) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        let now = *mode.borrow_and_update();
        match now {
            Mode::Blackhole => until_heard(&mut mode).await,
            Mode::Delay(delay) => sleep(delay).await,
            Mode::Late(delay) if changes(&buffer[..read]) && late.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) => {
                buffer.truncate(read);
                tokio::spawn(deliver(to, buffer, delay));
                return;
            }
            _ => {}
        }
        if let Some(second) = &mut second {
            second.write_all(&buffer[..read]).await.ok();
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
    to.shutdown().await.ok();
    // what was asked is still to be answered
    std::future::pending::<()>().await;
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut mode: watch::Receiver<Mode>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => read,
        };
        let now = *mode.borrow_and_update();
        match now {
            Mode::SwallowAnswers => continue,
            Mode::CutAnswers => return,
            Mode::Blackhole => until_heard(&mut mode).await,
            Mode::Delay(delay) => sleep(delay).await,
            Mode::Pass | Mode::Reset | Mode::Late(_) | Mode::Repeat => {}
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// True for a request that is to change something.
fn changes(request: &[u8]) -> bool {
    request.starts_with(b"POST ") || request.starts_with(b"PUT ") || COMMIT.contains(&request.len())
}

/// A request of somebody who has left; the answer finds nobody.
async fn deliver(mut to: OwnedWriteHalf, request: Vec<u8>, delay: Duration) {
    sleep(delay).await;
    to.write_all(&request).await.ok();
    sleep(ANSWERED_WITHIN).await;
}

/// What is under way arrives when the hole is closed again.
async fn until_heard(mode: &mut watch::Receiver<Mode>) {
    mode.wait_for(|mode| *mode != Mode::Blackhole).await.ok();
}

async fn drain(mut answers: OwnedReadHalf) {
    let mut buffer = vec![0; CHUNK];
    while matches!(answers.read(&mut buffer).await, Ok(read) if read > 0) {}
}
