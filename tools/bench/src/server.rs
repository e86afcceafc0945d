//! The database server of a benchmark: a private one with full durability, or the one in `DB_HOST`.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File},
    os::unix::fs::DirBuilderExt,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use lab::{
    admin::Admin,
    ports,
    proxy::{Mode, Proxy},
    server::{Options, Purpose, Server},
};
use serde::Serialize;
use sqlx::{Connection, Row};
use tempfile::TempDir;

use lab::{environment::variable, ui::Step, workspace_root};

/// The folders of benchmarks in `.wallet/`.
const FOLDER_PREFIX: &str = "bench-";
/// The file in such a folder that is locked while its run goes on.
const LOCK: &str = "running";
/// Round trips of which the fastest says how far away the server is.
const ROUND_TRIPS: u32 = 20;
/// The names of this machine.
const LOCAL: [&str; 3] = ["127.0.0.1", "localhost", "::1"];
/// What decides how safe a commit is, and how much of it is memory. Not every server has each of them.
const SETTINGS: &str = "'innodb_flush_log_at_trx_commit', 'innodb_doublewrite', 'log_bin', 'sync_binlog',
    'innodb_flush_method', 'innodb_buffer_pool_size', 'innodb_log_file_size', 'innodb_redo_log_capacity'";

/// The server, and the folder that belongs to the benchmark.
pub struct DatabaseServer {
    private: Option<Server>,
    /// The process of the server, if it runs on this machine.
    pub pid: Option<u32>,
    /// The account that may make schemas.
    pub admin: Admin,
    /// What stands between the services and the server, if it is to be far away.
    distance: Option<Proxy>,
    /// For everything that is gone after the benchmark.
    pub folder: TempDir,
    _lock: File,
}

/// What the server says of itself.
#[derive(Debug, Clone, Serialize)]
pub struct ServerFacts {
    /// "MariaDB" or "MySQL".
    pub product: &'static str,
    /// Its version.
    pub version: String,
    /// Settings by name.
    pub settings: BTreeMap<String, String>,
    /// True if a commit survives a crash of the machine.
    pub durable: bool,
    /// How long a round trip from a service to it takes at least, if it is to be far away.
    pub away_ms: Option<f64>,
}

impl DatabaseServer {
    /// Starts a private server, or connects to the one in `DB_HOST`; the services reach it as if it were so `far` away.
    pub async fn start(far: Option<Duration>) -> Result<Self> {
        let mut server = Self::near().await?;
        if let Some(far) = far {
            let proxy = Proxy::before(vec![server.admin.address()]).await;
            proxy.set(Mode::Delay(far / 2));
            server.distance = Some(proxy);
        }
        Ok(server)
    }

    /// The port on this machine at which services find the server, if it is to be far away.
    pub fn distant_port(&self) -> Option<u16> {
        self.distance.as_ref().map(Proxy::port)
    }

    /// The fastest of a few round trips as a service makes them.
    async fn away_ms(&self) -> Result<Option<f64>> {
        let Some(port) = self.distant_port() else { return Ok(None) };
        let mut connection = self.admin.at("127.0.0.1", port).connect().await?;
        let mut fastest = Duration::MAX;
        for _ in 0..ROUND_TRIPS {
            let begun = Instant::now();
            connection.ping().await?;
            fastest = fastest.min(begun.elapsed());
        }
        connection.close().await?;
        Ok(Some(fastest.as_secs_f64() * 1000.0))
    }

    async fn near() -> Result<Self> {
        let (folder, lock) = make_folder()?;
        let Some(host) = variable("DB_HOST") else {
            let step = Step::start("Starting a private database server with full durability");
            // in the checkout, not in /tmp, which is memory on some systems
            let options = Options { dir: folder.path().join("database"), port: None, purpose: Purpose::Load };
            let server = Server::start(options, &|text| step.note(text)).await?;
            step.done(&format!("{} runs on port {}", server.product(), server.port()));
            return Ok(Self {
                pid: server.pid(),
                admin: server.admin(),
                private: Some(server),
                distance: None,
                folder,
                _lock: lock,
            });
        };
        let port = variable("DB_PORT").unwrap_or_else(|| "3306".to_owned());
        let port = port.parse().context("DB_PORT must be a port number, for example DB_PORT=3306")?;
        let root = || "root".to_owned();
        let (user, password) = (variable("DB_USER").unwrap_or_else(root), variable("DB_PASSWORD").unwrap_or_else(root));
        let admin = Admin::new(&host, port, &user, &password);
        admin.connect().await.with_context(|| {
            format!(
                "DB_HOST={host} is set, but that server cannot be used. Correct DB_HOST, DB_PORT, DB_USER and \
                 DB_PASSWORD in the environment or .env, or unset DB_HOST to get a private server"
            )
        })?;
        let owner = LOCAL.contains(&host.as_str()).then(|| ports::owner(port)).flatten();
        Ok(Self {
            pid: owner.and_then(|owner| pid_of(&owner)),
            private: None,
            admin,
            distance: None,
            folder,
            _lock: lock,
        })
    }

    /// What the server says of itself.
    pub async fn facts(&self) -> Result<ServerFacts> {
        let mut connection = self.admin.connect().await?;
        let version: String = sqlx::query_scalar("SELECT VERSION()").fetch_one(&mut connection).await?;
        let sql = format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({SETTINGS})");
        let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_all(&mut connection).await?;
        let settings = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        let settings = settings.collect::<sqlx::Result<BTreeMap<String, String>>>()?;
        connection.close().await?;
        let product = if version.contains("MariaDB") { "MariaDB" } else { "MySQL" };
        let version = version.split('-').next().unwrap_or_default().to_owned();
        let away_ms = self.away_ms().await?;
        Ok(ServerFacts { product, version, durable: is_durable(&settings), settings, away_ms })
    }
}

impl Drop for DatabaseServer {
    /// Nobody needs the data of a private server any more: it is not worth a stop in good order.
    fn drop(&mut self) {
        self.private.iter_mut().for_each(Server::kill);
    }
}

/// A crash of the machine loses nothing only if the log is flushed at each commit, and so is the binary log if there is
/// one, and no page can be left half written.
fn is_durable(settings: &BTreeMap<String, String>) -> bool {
    let is = |name: &str, value: &str| settings.get(name).is_some_and(|found| found.eq_ignore_ascii_case(value));
    is("innodb_flush_log_at_trx_commit", "1")
        && (is("innodb_doublewrite", "ON") || is("innodb_doublewrite", "1"))
        && (!is("log_bin", "ON") || is("sync_binlog", "1"))
}

/// The process in words like "mysqld (process 812)"; none of a proxy in front of a container.
fn pid_of(owner: &str) -> Option<u32> {
    let (name, pid) = owner.split_once(" (process ")?;
    let pid = pid.strip_suffix(')')?.parse().ok()?;
    ["mysqld", "mariadbd"].contains(&name).then_some(pid)
}

/// A folder for this run, and the lock that says that the run goes on.
fn make_folder() -> Result<(TempDir, File)> {
    let parent = workspace_root().join(".wallet");
    let make = || -> Result<(TempDir, File)> {
        DirBuilder::new().recursive(true).mode(0o700).create(&parent)?;
        remove_left_folders(&parent);
        let folder = tempfile::Builder::new().prefix(FOLDER_PREFIX).tempdir_in(&parent)?;
        let lock = File::create(folder.path().join(LOCK))?;
        lock.lock()?;
        Ok((folder, lock))
    };
    make().with_context(|| format!("cannot write to {}: make the folder writable", parent.display()))
}

/// A benchmark that was killed left its folder, and nobody holds the lock on it any more.
fn remove_left_folders(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(FOLDER_PREFIX) {
            continue;
        }
        let lock = File::open(entry.path().join(LOCK));
        if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn durable(settings: &[(&str, &str)]) -> bool {
        is_durable(&settings.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn a_binary_log_must_be_flushed_too() {
        let both = [("innodb_flush_log_at_trx_commit", "1"), ("innodb_doublewrite", "ON")];
        assert!(durable(&both));
        assert!(durable(&[both[0], both[1], ("log_bin", "OFF"), ("sync_binlog", "0")]));
        assert!(!durable(&[both[0], both[1], ("log_bin", "ON"), ("sync_binlog", "0")]));
        assert!(!durable(&[("innodb_flush_log_at_trx_commit", "2"), both[1]]));
        assert!(!durable(&[both[0], ("innodb_doublewrite", "DETECT_ONLY")]));
    }

    #[test]
    fn only_a_database_server_is_one() {
        assert_eq!(pid_of("mysqld (process 812)"), Some(812));
        assert_eq!(pid_of("docker-proxy (process 812)"), None);
        assert_eq!(pid_of("mysqld"), None);
    }

    #[test]
    fn the_folder_of_a_run_that_goes_on_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let [left, used] = ["left", "used"].map(|name| parent.path().join(format!("{FOLDER_PREFIX}{name}")));
        for folder in [&left, &used] {
            fs::create_dir(folder).unwrap();
        }
        File::create(left.join(LOCK)).unwrap();
        let lock = File::create(used.join(LOCK)).unwrap();
        lock.lock().unwrap();
        remove_left_folders(parent.path());
        assert!(!left.exists() && used.exists());
    }
}
