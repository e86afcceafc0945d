//! The private server and the schemas of tests, on a real server.

use std::{env, fs, path::Path, process::Command, thread, time::Duration};

use lab::{
    admin::Admin,
    database, ports,
    process::{self, Launch, OnParentDeath, Process},
    server::{Options, Purpose, Server},
};

/// Set for a copy of this test program that owns a server and waits to be killed: the server's folder.
const OWNER_FOLDER: &str = "HARNESS_TEST_OWNER_FOLDER";

async fn count(admin: &Admin, query: &'static str) -> i64 {
    let mut connection = admin.connect().await.unwrap();
    sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap()
}

async fn server(dir: &Path, purpose: Purpose) -> anyhow::Result<Server> {
    Server::start(Options { dir: dir.to_owned(), port: None, purpose }, &|step| eprintln!("{step}")).await
}

#[tokio::test]
async fn a_schema_is_gone_when_its_test_ends() {
    let (first, second) = (database::database().await, database::database().await);
    assert_ne!(first.schema.name, second.schema.name);
    let mut connection = database::admin().connect().await.unwrap();
    let mut exists = async |name: &str| -> bool {
        let sql = "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = ?";
        sqlx::query_scalar::<_, i64>(sql).bind(name).fetch_one(&mut connection).await.unwrap() == 1
    };
    assert!(exists(&first.schema.name).await && exists(&second.schema.name).await);
    let name = first.schema.name.clone();
    let pool = first.pool();
    sqlx::query("CREATE TABLE t (id INT PRIMARY KEY)").execute(&pool).await.unwrap();
    drop(first);
    assert!(!exists(&name).await);
}

#[tokio::test]
async fn init_sql_runs_any_number_of_times_and_each_account_sees_its_schema_only() {
    let admin = database::admin();
    for _ in 0..2 {
        admin.run(lab::server::INIT_SQL).await.unwrap();
    }
    let at = |schema| {
        let mut config = admin.on(schema);
        config.user = "user_service".to_owned();
        config.password = "wallet_development".into();
        config.pool()
    };
    sqlx::query("CREATE TABLE IF NOT EXISTS account_test (id INT)").execute(&at("digital_wallet")).await.unwrap();
    sqlx::query("DROP TABLE account_test").execute(&at("digital_wallet")).await.unwrap();
    assert!(sqlx::query("SELECT 1").execute(&at("digital_wallet_tx")).await.is_err());
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = server(folder.path(), Purpose::Use).await.unwrap();
    let (admin, port) = (server.admin(), server.port());
    admin.run("CREATE TABLE digital_wallet.t (id INT); INSERT INTO digital_wallet.t VALUES (1)").await.unwrap();
    server.kill();
    assert!(admin.connect().await.is_err());
    server.restart().await.unwrap();
    assert_eq!(server.port(), port);
    assert_eq!(count(&admin, "SELECT COUNT(*) FROM digital_wallet.t").await, 1);
    server.stop().await;
    server.restart().await.unwrap();
    assert_eq!(count(&admin, "SELECT COUNT(*) FROM digital_wallet.t").await, 1);
}

#[tokio::test]
async fn two_servers_on_one_folder_are_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let _first = server(folder.path(), Purpose::Test).await.unwrap();
    let error = server(folder.path(), Purpose::Test).await.unwrap_err().to_string();
    assert!(error.contains("another process runs a database server"), "{error}");
}

#[tokio::test]
async fn a_taken_port_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = Options { dir: folder.path().to_owned(), port: Some(port), purpose: Purpose::Test };
    let error = Server::start(options, &|_| ()).await.unwrap_err().to_string();
    assert!(error.contains(&format!("port {port}")), "{error}");
}

#[tokio::test]
async fn a_folder_with_a_long_path_works() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder.path().join("x".repeat(120)), Purpose::Test).await.unwrap();
    assert_eq!(count(&server.admin(), "SELECT 1").await, 1);
}

#[tokio::test]
async fn owner() {
    let Some(folder) = env::var_os(OWNER_FOLDER) else { return };
    let server = server(Path::new(&folder), Purpose::Use).await.unwrap();
    fs::write(Path::new(&folder).join("ready"), server.pid().unwrap().to_string()).unwrap();
    thread::sleep(Duration::from_mins(2));
}

#[tokio::test]
async fn a_server_dies_with_its_killed_owner_and_its_folder_works_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut owner = Command::new(env::current_exe().unwrap())
        .args(["--exact", "owner", "--nocapture"])
        .env(OWNER_FOLDER, folder.path())
        .spawn()
        .unwrap();
    let ready = folder.path().join("ready");
    while !ready.exists() {
        assert!(owner.try_wait().unwrap().is_none(), "the owner ended early");
        thread::sleep(Duration::from_millis(20));
    }
    let pid: u32 = fs::read_to_string(ready).unwrap().parse().unwrap();
    owner.kill().unwrap();
    owner.wait().unwrap();
    // At once, while the orphan may still be stopping.
    let again = server(folder.path(), Purpose::Use).await.unwrap();
    assert_eq!(count(&again.admin(), "SELECT 1").await, 1);
    assert!(!process::is_running(pid, &folder.path().display().to_string()));
}

#[tokio::test]
async fn a_process_outlives_the_thread_that_started_it() {
    let folder = tempfile::tempdir().unwrap();
    let launch = Launch {
        program: "sleep".into(),
        arguments: vec!["60".into()],
        environment: Vec::new(),
        inherit_environment: true,
        folder: folder.path().to_owned(),
        log: folder.path().join("log"),
        on_parent_death: OnParentDeath::Terminate,
    };
    let mut sleeping = thread::spawn(move || Process::start(&launch).unwrap()).join().unwrap();
    thread::sleep(Duration::from_millis(100));
    assert!(sleeping.status().is_none());
    sleeping.pause();
    assert!(sleeping.stop(Duration::from_secs(5)).await.is_some_and(|status| !status.success()));
}

#[test]
fn ports_are_handed_out_once() {
    let ports: std::collections::HashSet<u16> = (0..100).map(|_| ports::free_port()).collect();
    assert_eq!(ports.len(), 100);
}

#[test]
fn the_owner_of_a_port_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    assert!(!ports::is_free(port));
    let owner = ports::owner(port).unwrap();
    assert!(owner.contains(&format!("process {}", std::process::id())), "{owner}");
}
