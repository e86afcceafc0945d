//! A private database server: its own folder, its own port, gone when its owner is gone.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::{
    Progress,
    admin::Admin,
    ports,
    process::{self, Launch, OnParentDeath, Process},
};

mod program;
mod purpose;

use program::Program;
pub use purpose::Purpose;

/// The schemas and accounts of the services.
pub const INIT_SQL: &str = include_str!("../../../../init-db.sql");

/// How long a server may take to answer; after a crash it reads its log first.
const START_LIMIT: Duration = Duration::from_mins(2);
/// How long a server may take to stop in good order.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// Lines of the server's log that an error shows.
const SHOWN_LINES: usize = 20;
/// The longest path of a Unix socket, in bytes, that every system takes.
const MAX_SOCKET_PATH: usize = 100;
/// The documented account of an administrator, here on 127.0.0.1 only.
const ROOT: &str = "root";

/// Run by the server at each start, before it answers anyone.
const ROOT_SQL: &str = "\
CREATE USER IF NOT EXISTS 'root'@'localhost' IDENTIFIED BY 'root';
CREATE USER IF NOT EXISTS 'root'@'127.0.0.1' IDENTIFIED BY 'root';
ALTER USER 'root'@'localhost' IDENTIFIED BY 'root';
ALTER USER 'root'@'127.0.0.1' IDENTIFIED BY 'root';
GRANT ALL PRIVILEGES ON *.* TO 'root'@'localhost' WITH GRANT OPTION;
GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;
DROP USER IF EXISTS ''@'localhost';
";

/// Where and how a private server runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its folder, made if it does not exist; what is in it from an earlier run is used again.
    pub dir: PathBuf,
    /// The port on 127.0.0.1; a free one if there is none.
    pub port: Option<u16>,
    /// What it is for.
    pub purpose: Purpose,
}

/// A private MySQL or MariaDB server. Dropping it stops it; its data stay.
#[derive(Debug)]
pub struct Server {
    // Fields are dropped in this order: the server stops before the lock on its folder goes.
    process: Option<Process>,
    program: Program,
    dir: PathBuf,
    socket: PathBuf,
    port: u16,
    purpose: Purpose,
    _socket_dir: Option<TempDir>,
    _lock: File,
}

impl Server {
    /// Starts a server, installing the program and making the data folder where needed, and makes the schemas and
    /// accounts of `init-db.sql`. `root` with the password `root` may log in from 127.0.0.1.
    pub async fn start(options: Options, progress: Progress<'_>) -> Result<Self> {
        let advice = || format!("cannot use the folder {}: make it writable, or choose another", options.dir.display());
        DirBuilder::new().recursive(true).mode(0o700).create(&options.dir).with_context(advice)?;
        let dir = options.dir.canonicalize().with_context(advice)?;
        let lock = lock_folder(&dir)?;
        let program = Program::find_or_install(progress)?;
        end_orphan(&dir);
        fs::create_dir_all(program::temporary_folder(&dir)).with_context(advice)?;
        program.initialise(&dir, progress)?;
        fs::write(dir.join("init.sql"), ROOT_SQL).with_context(advice)?;
        let (socket, socket_dir) = socket(&dir)?;
        let port = options.port.unwrap_or_else(ports::free_port);
        let purpose = options.purpose;
        let mut server =
            Self { process: None, program, dir, socket, port, purpose, _socket_dir: socket_dir, _lock: lock };
        progress("starting the database server");
        server.restart().await?;
        server.admin().run(INIT_SQL).await.context("init-db.sql failed on the private server")?;
        Ok(server)
    }

    /// Starts it again on the same port and data; stops it first if it runs.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await;
        if !ports::is_free(self.port) {
            bail!("port {} on this machine is taken: stop what listens there, or choose another port", self.port);
        }
        let mut process = Process::start(&self.launch())?;
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let Err(error) = self.admin().connect().await else { break };
            let ended = process.status();
            if ended.is_some() || Instant::now() > deadline {
                let how = ended.map_or_else(|| format!("does not answer: {error}"), |s| format!("ended with {s}"));
                bail!(
                    "the database server {how}. The last lines of {}:\n{}",
                    self.log().display(),
                    process::tail(&self.log(), SHOWN_LINES)
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.process = Some(process);
        Ok(())
    }

    /// Starts it again for another purpose, on the same port and data.
    pub async fn restart_for(&mut self, purpose: Purpose) -> Result<()> {
        self.purpose = purpose;
        self.restart().await
    }

    /// Stops it in good order.
    pub async fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop(STOP_LIMIT).await;
        }
    }

    /// Ends it as a crash would (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Keeps it from answering, with its connections open (SIGSTOP), until [`Server::resume`].
    pub fn pause(&self) {
        self.process.iter().for_each(Process::pause);
    }

    /// Lets a paused server go on.
    pub fn resume(&self) {
        self.process.iter().for_each(Process::resume);
    }

    /// False once it has ended, by itself or not.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.status().is_none())
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its Unix socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its log file.
    pub fn log(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    /// What it is, for a person: "MariaDB 10.11.14".
    pub fn product(&self) -> &str {
        self.program.product()
    }

    /// The process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// The account that may do everything on it.
    pub fn admin(&self) -> Admin {
        Admin::new("127.0.0.1", self.port, ROOT, ROOT)
    }

    fn launch(&self) -> Launch {
        Launch {
            program: self.program.path().to_owned(),
            arguments: self.program.arguments(&self.dir, &self.socket, self.port, self.purpose),
            environment: Vec::new(),
            inherit_environment: true,
            folder: self.dir.clone(),
            log: self.log(),
            on_parent_death: if self.purpose.is_durable() { OnParentDeath::Terminate } else { OnParentDeath::Kill },
        }
    }
}

fn lock_folder(dir: &Path) -> Result<File> {
    let path = dir.join("lock");
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("cannot write {}: make it writable, or choose another folder", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another process runs a database server in {}: stop it, or choose another folder", dir.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

/// We hold the lock, so a server that still runs on this folder lost its owner: it is stopping, or must.
fn end_orphan(dir: &Path) {
    let pid_file = dir.join("db.pid");
    let pid = fs::read_to_string(&pid_file).ok().and_then(|text| text.trim().parse().ok());
    let data = program::data_folder(dir).display().to_string();
    if let Some(pid) = pid.filter(|pid| process::is_running(*pid, &data)) {
        process::end_foreign(pid, &data, STOP_LIMIT);
    }
    fs::remove_file(&pid_file).ok();
}

fn socket(dir: &Path) -> Result<(PathBuf, Option<TempDir>)> {
    let socket = dir.join("db.sock");
    if socket.as_os_str().len() < MAX_SOCKET_PATH {
        return Ok((socket, None));
    }
    let folder = tempfile::Builder::new()
        .prefix("wallet-")
        .tempdir_in("/tmp")
        .context("cannot make a folder in /tmp for the database's socket: make /tmp writable")?;
    Ok((folder.path().join("db.sock"), Some(folder)))
}
