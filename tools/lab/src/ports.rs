//! TCP ports that nobody listens on.

use std::{
    collections::HashSet,
    fs,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    process::Command,
    sync::{LazyLock, Mutex, PoisonError},
};

/// Below the ports that systems give to outgoing connections, so that a service which is restarted finds its port free.
const CANDIDATES: Range<u16> = 20_000..32_000;

static HANDED_OUT: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// True if a server may listen on `port`.
pub fn is_free(port: u16) -> bool {
    // Both: systems differ in whether a listener on one address shuts out the other.
    [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED].iter().all(|address| TcpListener::bind((*address, port)).is_ok())
}

/// A port that is free now and that this process has not been given before.
///
/// # Panics
/// If no port is free.
pub fn free_port() -> u16 {
    let mut handed_out = HANDED_OUT.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..10_000 {
        // Random, because other test processes look for ports at the same time.
        let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
        let offset = (high ^ low) % u64::from(CANDIDATES.end - CANDIDATES.start);
        let port = CANDIDATES.start + u16::try_from(offset).expect("the range has fewer than 65,536 ports");
        if is_free(port) && handed_out.insert(port) {
            return port;
        }
    }
    panic!("no port from {} to {} is free", CANDIDATES.start, CANDIDATES.end);
}

/// Who listens on `port`, in words, if it can be found out: "nginx (process 812)".
pub fn owner(port: u16) -> Option<String> {
    owner_in_proc(port).or_else(|| owner_by_lsof(port))
}

fn owner_in_proc(port: u16) -> Option<String> {
    /// The state LISTEN in `/proc/net/tcp`.
    const LISTENING: &str = "0A";
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let inode = tables.iter().flat_map(|table| table.lines()).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let local = fields.get(1)?.rsplit(':').next()?;
        let here = u16::from_str_radix(local, 16).ok()? == port && *fields.get(3)? == LISTENING;
        if here { fields.get(9).map(|inode| (*inode).to_owned()) } else { None }
    })?;
    let socket = format!("socket:[{inode}]");
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let mut files = fs::read_dir(process.path().join("fd")).ok()?.flatten();
        files.find(|file| fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == socket.as_str()))?;
        let name = fs::read_to_string(process.path().join("comm")).ok()?;
        Some(format!("{} (process {pid})", name.trim()))
    })
}

fn owner_by_lsof(port: u16) -> Option<String> {
    let output = Command::new("lsof").args(["-nP", "-sTCP:LISTEN", "-Fpc", &format!("-iTCP:{port}")]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let field = |letter: char| text.lines().find_map(|line| line.strip_prefix(letter));
    Some(format!("{} (process {})", field('c')?, field('p')?))
}
