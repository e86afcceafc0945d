//! A database for each test: an empty schema with a name of its own, which is gone when the test ends.

use std::{
    env,
    fs::{self, File},
    sync::OnceLock,
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use sqlx::MySqlPool;
use tempfile::TempDir;

use crate::{
    Progress,
    admin::{Admin, Schema},
    server::{Options, Purpose, Server},
    ui::Step,
    wallet::Service,
};

/// How long dropping a schema may take before it is left behind.
const DROP_LIMIT: Duration = Duration::from_secs(10);
/// The folders of private servers in the folder for temporary files.
const FOLDER_PREFIX: &str = "wallet-test-";

/// A schema that is dropped with this value.
#[derive(Debug)]
pub struct TestDatabase {
    /// How to reach it.
    pub schema: Schema,
    admin: Admin,
}

struct Shared {
    admin: Admin,
    _server: Option<(Server, TempDir)>,
}

/// A new empty schema on the tests' server.
///
/// # Panics
/// If there is no database server and none can be started; the message says what to do.
pub async fn database() -> TestDatabase {
    admin().schema().await.unwrap_or_else(|error| panic!("no database for this test: {error:#}"))
}

/// The administrator of the tests' server: the one in `TEST_DATABASE_URL`, or a private one of this process, which is
/// started at the first call.
///
/// # Panics
/// Like [`database`].
pub fn admin() -> Admin {
    static SHARED: OnceLock<Result<Shared, String>> = OnceLock::new();
    // A thread of its own, because the caller may be inside a runtime that must not be blocked by another one.
    let start = || match thread::spawn(|| current_thread()?.block_on(share())).join() {
        Ok(outcome) => outcome.map_err(|error| format!("{error:#}")),
        Err(_) => Err("starting the database server panicked".to_owned()),
    };
    match SHARED.get_or_init(start) {
        Ok(shared) => shared.admin.clone(),
        Err(error) => panic!("no database server for the tests: {error}"),
    }
}

/// The URL of [`admin`], for programs that take one.
///
/// # Panics
/// Like [`database`].
pub fn admin_url() -> String {
    admin().url()
}

async fn share() -> Result<Shared> {
    if let Some(admin) = Admin::from_environment()? {
        return Ok(Shared { admin, _server: None });
    }
    let (server, folder) = temporary_server(Purpose::Test, &|step| eprintln!("database for tests: {step}")).await?;
    Ok(Shared { admin: server.admin(), _server: Some((server, folder)) })
}

/// The server in `TEST_DATABASE_URL`, or one that lasts as long as what is returned beside it.
pub async fn server_for_tests() -> Result<(Admin, Option<(Server, TempDir)>)> {
    if let Some(admin) = Admin::from_environment()? {
        admin.connect().await.context("the server in TEST_DATABASE_URL cannot be used")?;
        return Ok((admin, None));
    }
    let step = Step::start("Starting a database server for the tests");
    let (server, folder) = temporary_server(Purpose::Test, &|text| step.note(text)).await?;
    step.done(&format!("{} runs on port {}", server.product(), server.port()));
    Ok((server.admin(), Some((server, folder))))
}

/// A private server for tests, and its folder.
pub async fn temporary_server(purpose: Purpose, progress: Progress<'_>) -> Result<(Server, TempDir)> {
    remove_left_folders();
    let folder = tempfile::Builder::new()
        .prefix(FOLDER_PREFIX)
        .tempdir()
        .context("cannot make a folder for temporary files: set TMPDIR to a writable folder")?;
    let options = Options { dir: folder.path().to_owned(), port: None, purpose };
    let server = Server::start(options, progress).await?;
    Ok((server, folder))
}

/// A test process that ends drops nothing that is static: the next one cleans up.
fn remove_left_folders() {
    let Ok(entries) = fs::read_dir(env::temp_dir()) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(FOLDER_PREFIX) {
            continue;
        }
        let lock = File::open(entry.path().join("lock"));
        if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

fn current_thread() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

impl Admin {
    /// A new empty schema.
    pub async fn schema(&self) -> Result<TestDatabase> {
        let name = format!("wallet_test_{}", uuid::Uuid::new_v4().simple());
        self.run(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci")).await?;
        Ok(TestDatabase { schema: self.on(&name), admin: self.clone() })
    }

    /// An empty schema for each service.
    pub async fn schemas(&self) -> Result<Vec<TestDatabase>> {
        let mut databases = Vec::new();
        for _ in Service::ALL {
            databases.push(self.schema().await?);
        }
        Ok(databases)
    }
}

impl TestDatabase {
    /// The schema as a URL, for programs that take one.
    pub fn url(&self) -> String {
        self.admin.url_of(&self.schema.name)
    }

    /// A few connections, to look into the schema.
    pub fn pool(&self) -> MySqlPool {
        self.schema.pool()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let script = format!("SET SESSION lock_wait_timeout = 5; DROP DATABASE IF EXISTS {}", self.schema.name);
        let admin = self.admin.clone();
        let dropping = thread::spawn(move || {
            let Ok(runtime) = current_thread() else { return };
            // What is left behind costs disk space only.
            runtime.block_on(async { tokio::time::timeout(DROP_LIMIT, admin.run(&script)).await.ok() });
        });
        dropping.join().ok();
    }
}
