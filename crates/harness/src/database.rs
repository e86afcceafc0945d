//! A database for each test: an empty schema with a name of its own, which is gone when the test ends.

use std::{
    env,
    fs::{self, File},
    sync::OnceLock,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use common::config::{DatabaseConfig, DatabaseTls};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, ConnectOptions, MySqlConnection, MySqlPool, mysql::MySqlConnectOptions};
use tempfile::TempDir;
use url::Url;

use crate::{
    Progress,
    server::{Options, Purpose, Server},
    wallet::Service,
};

/// The variable with the server that tests use, instead of a private one.
const SERVER_VARIABLE: &str = "TEST_DATABASE_URL";
/// How long a connection to the server may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long dropping a schema may take before it is left behind.
const DROP_LIMIT: Duration = Duration::from_secs(10);
/// Connections of one service in a test.
const POOL_SIZE: u32 = 8;
/// Connections of one service in a test for lists and reports.
const READ_POOL_SIZE: u32 = 4;
/// The folders of private servers in the folder for temporary files.
const FOLDER_PREFIX: &str = "wallet-test-";

/// An account that may make schemas and accounts on a server.
#[derive(Debug, Clone)]
pub struct Admin {
    host: String,
    port: u16,
    user: String,
    password: SecretString,
}

/// A schema that is dropped with this value.
#[derive(Debug)]
pub struct TestDatabase {
    /// How to reach it.
    pub config: DatabaseConfig,
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

impl Admin {
    /// An account.
    pub fn new(host: &str, port: u16, user: &str, password: &str) -> Self {
        Self { host: host.to_owned(), port, user: user.to_owned(), password: password.into() }
    }

    /// The account in `TEST_DATABASE_URL`, if it is set.
    pub fn from_environment() -> Result<Option<Self>> {
        let Ok(text) = env::var(SERVER_VARIABLE) else { return Ok(None) };
        if text.trim().is_empty() {
            return Ok(None);
        }
        Self::from_url(text.trim()).map(Some)
    }

    fn from_url(text: &str) -> Result<Self> {
        let expected = || {
            format!("{SERVER_VARIABLE} must be a URL, for example {SERVER_VARIABLE}=mysql://root:root@127.0.0.1:3306")
        };
        let url = Url::parse(text).with_context(expected)?;
        ensure!(url.scheme() == "mysql", expected());
        let options = MySqlConnectOptions::from_url(&url).with_context(expected)?;
        Ok(Self {
            host: options.get_host().to_owned(),
            port: options.get_port(),
            user: options.get_username().to_owned(),
            password: decoded_password(&url).into(),
        })
    }

    /// The account as a URL, with its password.
    pub fn url(&self) -> String {
        self.schema_url("")
    }

    /// The account on a schema, as a URL with its password.
    pub fn schema_url(&self, schema: &str) -> String {
        let mut url = Url::parse("mysql://host").expect("the text is a URL");
        let set = url.set_host(Some(&self.host)).is_ok()
            && url.set_port(Some(self.port)).is_ok()
            && url.set_username(&self.user).is_ok()
            && url.set_password(Some(self.password.expose_secret())).is_ok();
        assert!(set, "{} is no name of a host", self.host);
        url.set_path(schema);
        url.into()
    }

    /// The account on a schema.
    pub fn config(&self, schema: &str) -> DatabaseConfig {
        DatabaseConfig {
            tls: DatabaseTls::default(),
            ca_file: None,
            host: self.host.clone(),
            port: self.port,
            user: self.user.clone(),
            password: self.password.clone(),
            name: schema.to_owned(),
            pool_size: POOL_SIZE,
            read_pool_size: READ_POOL_SIZE,
        }
    }

    /// A connection, without a schema.
    pub async fn connect(&self) -> Result<MySqlConnection> {
        let options = MySqlConnectOptions::new()
            .host(&self.host)
            .port(self.port)
            .username(&self.user)
            .password(self.password.expose_secret());
        let connecting = tokio::time::timeout(CONNECT_LIMIT, options.connect());
        let at = || format!("no connection to the database server at {}:{} as {}", self.host, self.port, self.user);
        connecting.await.with_context(at)?.with_context(at)
    }

    /// Runs the statements of a script.
    pub async fn run(&self, script: &str) -> Result<()> {
        let mut connection = self.connect().await?;
        sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut connection).await?;
        Ok(())
    }

    /// A new empty schema.
    pub async fn schema(&self) -> Result<TestDatabase> {
        let name = format!("wallet_test_{}", uuid::Uuid::new_v4().simple());
        self.run(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci")).await?;
        Ok(TestDatabase { config: self.config(&name), admin: self.clone() })
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

/// The password of a URL, where some characters stand as `%` and two digits.
fn decoded_password(url: &Url) -> String {
    let pair = format!("password={}", url.password().unwrap_or_default().replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes()).map(|(_, password)| password.into_owned()).collect()
}

fn current_thread() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

impl TestDatabase {
    /// The schema as a URL, for programs that take one.
    pub fn url(&self) -> String {
        self.admin.schema_url(&self.config.name)
    }

    /// A few connections, to look into the schema.
    pub fn pool(&self) -> MySqlPool {
        common::db::pool(&self.config)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let script = format!("SET SESSION lock_wait_timeout = 5; DROP DATABASE IF EXISTS {}", self.config.name);
        let admin = self.admin.clone();
        let dropping = thread::spawn(move || {
            let Ok(runtime) = current_thread() else { return };
            // What is left behind costs disk space only.
            runtime.block_on(async { tokio::time::timeout(DROP_LIMIT, admin.run(&script)).await.ok() });
        });
        dropping.join().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_an_account_reads_back() {
        let admin = Admin::from_url("mysql://some%40one:a%2Bb+c%25%3A@[::1]:3307").unwrap();
        assert_eq!((admin.user.as_str(), admin.password.expose_secret(), admin.port), ("some@one", "a+b+c%:", 3307));
        assert_eq!(Admin::from_url("mysql://root:root@db").unwrap().url(), "mysql://root:root@db:3306");
    }

    #[test]
    fn a_wrong_url_is_refused_with_an_example() {
        for text in ["db", "postgres://root@db", "mysql//x"] {
            assert!(Admin::from_url(text).unwrap_err().to_string().contains("for example"), "{text}");
        }
    }
}
