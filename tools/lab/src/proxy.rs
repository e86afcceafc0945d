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
    sync::{mpsc, watch},
    time::{Instant, sleep},
};

/// The most that is passed on at a time.
const CHUNK: usize = 64 * 1024;

/// The bytes that a COMMIT takes on the way to the database if it is encrypted and goes alone.
const ENCRYPTED_COMMIT: usize = 33;
/// What is encrypted and has more bytes than this may end in a COMMIT: it is no statement that was prepared.
const ENCRYPTED_STATEMENT: usize = 200;
/// The first byte of a record of TLS that has data in it.
const ENCRYPTED: u8 = 23;
/// The bytes that asking a database whether it is there takes, plainly and encrypted.
const PING: [usize; 2] = [5, 27];
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
    targets: Arc<Targets>,
}

/// Where connections go.
struct Targets {
    addresses: Vec<String>,
    next: AtomicUsize,
    /// Requests that came while every second one was to be late.
    late: AtomicUsize,
    /// Requests that came at all.
    taken: AtomicUsize,
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
        let targets = Arc::new(Targets {
            addresses,
            next: AtomicUsize::new(0),
            late: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound port has an address");
        let (mode, watched) = watch::channel(Mode::Pass);
        let before = targets.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                client.set_nodelay(true).ok();
                tokio::spawn(relay(client, before.clone(), watched.clone()));
            }
        });
        Self { address, mode, targets }
    }

    /// The proxy's base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many requests have come so far that somebody waits for. Before a database those are round trips.
    pub fn requests(&self) -> usize {
        self.targets.taken.load(Ordering::SeqCst)
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
        () = requests(client_in, server_out, second, mode.clone(), &targets) => {}
    }
}

/// What came, and when it goes on.
type Chunk = (Instant, Vec<u8>);

/// Reads what comes `from` a connection, which goes on later if that is what happens.
async fn read(mut from: OwnedReadHalf, to: mpsc::UnboundedSender<Chunk>, mode: watch::Receiver<Mode>) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let delay = if let Mode::Delay(delay) = *mode.borrow() { delay } else { Duration::ZERO };
        if to.send((Instant::now() + delay, buffer[..read].to_vec())).is_err() {
            return;
        }
    }
    drop(to); // what has been read still goes on
    std::future::pending::<()>().await;
}

/// Passes requests on until the connection of the server ends.
async fn requests(
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    second: Option<OwnedWriteHalf>,
    mode: watch::Receiver<Mode>,
    targets: &Targets,
) {
    let (sender, chunks) = mpsc::unbounded_channel();
    tokio::select! {
        () = read(from, sender, mode.clone()) => {}
        () = pass_requests(chunks, to, second, mode, targets) => {}
    }
}

async fn pass_requests(
    mut chunks: mpsc::UnboundedReceiver<Chunk>,
    mut to: OwnedWriteHalf,
    mut second: Option<OwnedWriteHalf>,
    mut mode: watch::Receiver<Mode>,
    targets: &Targets,
) {
    while let Some((due, chunk)) = chunks.recv().await {
        if !PING.contains(&chunk.len()) {
            targets.taken.fetch_add(1, Ordering::SeqCst);
        }
        let now = *mode.borrow_and_update();
        match now {
            Mode::Blackhole => until_heard(&mut mode).await,
            Mode::Late(delay) if changes(&chunk) && targets.late.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) => {
                tokio::spawn(deliver(to, chunk, delay));
                return;
            }
            _ => until(due).await,
        }
        if let Some(second) = &mut second {
            second.write_all(&chunk).await.ok();
        }
        if to.write_all(&chunk).await.is_err() {
            return;
        }
    }
    to.shutdown().await.ok();
    // what was asked is still to be answered
    std::future::pending::<()>().await;
}

async fn answers(from: OwnedReadHalf, to: OwnedWriteHalf, mode: watch::Receiver<Mode>) {
    let (sender, chunks) = mpsc::unbounded_channel();
    tokio::select! {
        () = read(from, sender, mode.clone()) => {}
        () = pass_answers(chunks, to, mode) => {}
    }
}

async fn pass_answers(
    mut chunks: mpsc::UnboundedReceiver<Chunk>,
    mut to: OwnedWriteHalf,
    mut mode: watch::Receiver<Mode>,
) {
    while let Some((due, chunk)) = chunks.recv().await {
        let now = *mode.borrow_and_update();
        match now {
            Mode::SwallowAnswers => continue,
            Mode::CutAnswers => return,
            Mode::Blackhole => until_heard(&mut mode).await,
            Mode::Pass | Mode::Reset | Mode::Late(_) | Mode::Repeat | Mode::Delay(_) => until(due).await,
        }
        if to.write_all(&chunk).await.is_err() {
            return;
        }
    }
}

/// Waits until then, on a thread: the runtime's timers count whole milliseconds.
async fn until(due: Instant) {
    let rest = due.saturating_duration_since(Instant::now());
    if !rest.is_zero() {
        tokio::task::spawn_blocking(move || std::thread::sleep(rest)).await.ok();
    }
}

/// True for a request that is to change something.
fn changes(request: &[u8]) -> bool {
    let encrypted = request.first() == Some(&ENCRYPTED);
    request.starts_with(b"POST ")
        || request.starts_with(b"PUT ")
        || request.ends_with(b"COMMIT")
        || (encrypted && (request.len() == ENCRYPTED_COMMIT || request.len() > ENCRYPTED_STATEMENT))
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
