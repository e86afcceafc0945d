//! What the environment of a service may do, and what it may not: proxies, `.env` files, TLS to the database.

use std::{fs, path::Path};

use axum::{Router, http::StatusCode};
use lab::{
    binaries::binaries,
    collector::Collector,
    database::admin,
    http::{eventually, serve},
    ports::free_port,
    process::{Launch, OnParentDeath, Process},
    wallet::Service,
    world::World,
};
use secrecy::ExposeSecret;

#[tokio::test]
async fn calls_between_services_go_through_no_proxy() {
    let (taken, took) = tokio::sync::mpsc::unbounded_channel();
    let proxy = Router::new().fallback(async move || {
        taken.send(()).ok();
        StatusCode::BAD_GATEWAY
    });
    let (proxy, collector) = (serve(proxy).await, Collector::start().await);
    let mut variables = Vec::new();
    for service in Service::ALL {
        for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            variables.push((service, name, proxy.as_str()));
        }
        variables.push((service, "OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()));
        variables.push((service, "OTEL_BSP_SCHEDULE_DELAY", "100"));
    }
    let world = World::start_with(&variables).await;
    let (ani, budi) = (world.user(100).await, world.user(0).await);
    let id = world.pay(&ani, &budi, 60).await.expect(201).id();
    let _ = world.decide(id, "completed").await.expect(200);
    world.assert_everything_told().await;
    let summary = format!("/summaries/user/{}", ani.id);
    let _ = world.api(Service::Report).as_user(&ani.token).get(&summary).await.expect(200);
    eventually("spans of every service", async || {
        let spans = collector.spans();
        Service::ALL.iter().all(|service| spans.iter().any(|span| span.service == service.name())).then_some(())
    })
    .await;
    assert!(took.is_empty(), "{} requests went to the proxy", took.len());
}

/// Starts user-service alone in `folder`, in production unless `variables` say else, and returns what it wrote until it
/// listened or ended.
async fn started_in(folder: &Path, variables: &[(&str, &str)]) -> String {
    let binaries = tokio::task::spawn_blocking(binaries).await.expect("the services compile");
    let database = admin().schema().await.expect("a schema");
    let logs = tempfile::tempdir().expect("a temporary folder");
    let log = logs.path().join("log");
    let config = &database.schema;
    let mut environment: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: &str| environment.push((name.to_owned(), value.to_owned()));
    set("PATH", &std::env::var("PATH").unwrap_or_default());
    set("HOST", "127.0.0.1");
    set("PORT", &free_port().to_string());
    set("DB_HOST", &config.host);
    set("DB_PORT", &config.port.to_string());
    set("DB_USER", &config.user);
    set("DB_PASSWORD", config.password.expose_secret());
    set("DB_NAME", &config.name);
    for (name, value) in variables {
        set(name, value);
    }
    let launch = Launch {
        program: binaries.join(Service::User.name()),
        arguments: Vec::new(),
        environment,
        inherit_environment: false,
        folder: folder.to_owned(),
        log: log.clone(),
        on_parent_death: OnParentDeath::Kill,
    };
    let mut process = Process::start(&launch).expect("user-service can be started");
    eventually("user-service to listen or to end", async || {
        let ended = process.status().is_some();
        let text = fs::read_to_string(&log).unwrap_or_default();
        (ended || text.contains("listening")).then_some(text)
    })
    .await
}

#[tokio::test]
async fn only_the_env_file_of_the_working_folder_counts_and_every_line_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let working = folder.path().join("a/b");
    fs::create_dir_all(&working).unwrap();
    fs::write(folder.path().join(".env"), "APP_ENV=development\n").unwrap();
    let why = started_in(&working, &[]).await;
    assert!(why.contains("JWT_SECRET must be"), "the file of a folder above opened production: {why}");

    let file = working.join(".env");
    fs::write(&file, "APP_ENV=development\nSMTP_PASSWORD=abcd efgh ijkl mnop\nPORT=x\n'=5\n").unwrap();
    let why = started_in(&working, &[("PORT", "x")]).await;
    assert!(why.contains(".env, line 2: SMTP_PASSWORD") && why.contains(".env, line 4"), "{why}");
    assert!(why.contains("PORT must be") && !why.contains("efgh"), "{why}");

    let good = "\u{feff}APP_ENV=development\r\nRUST_LOG='info' # what is logged\r\nexport JWT_SECRET=\"a$PATH$HOME\"\r\nPORT=x\r\n";
    fs::write(&file, good).unwrap();
    let log = started_in(&working, &[]).await;
    assert!(log.contains("listening"), "variables of the process win: {log}");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let why = started_in(&working, &[("APP_ENV", "development")]).await;
    assert!(why.contains(".env cannot be read"), "{why}");
}

#[tokio::test]
async fn the_connection_to_the_database_is_as_protected_as_is_demanded() {
    const REFUSED: &str = "the database does not offer the TLS that DB_TLS demands";
    let folder = tempfile::tempdir().unwrap();
    let with = async |variables: &[(&str, &str)]| {
        let variables: Vec<_> = [("APP_ENV", "development")].into_iter().chain(variables.iter().copied()).collect();
        started_in(folder.path(), &variables).await
    };
    let mut conn = admin().connect().await.unwrap();
    let (_, offered): (String, String) =
        sqlx::query_as("SHOW SESSION STATUS LIKE 'Ssl_cipher'").fetch_one(&mut conn).await.unwrap();
    let plain = with(&[("DB_TLS", "disabled")]).await;
    assert!(plain.contains("listening") && plain.contains(r#"cipher="none""#), "{plain}");
    let (preferred, required) = (with(&[]).await, with(&[("DB_TLS", "required")]).await);
    assert!(preferred.contains("listening"), "{preferred}");
    if offered.is_empty() {
        assert!(preferred.contains(r#"cipher="none""#), "{preferred}");
        assert!(required.contains(REFUSED) && !required.contains("listening"), "{required}");
        return;
    }
    for log in [preferred, required] {
        assert!(log.contains("listening") && log.contains(&format!("cipher={offered:?}")), "{log}");
    }
    // the server has made its certificate itself: nobody vouches for it but its own authority
    let foreign = with(&[("DB_TLS", "verify_identity")]).await;
    assert!(foreign.contains(REFUSED) && !foreign.contains("listening"), "{foreign}");
    let data: String = sqlx::query_scalar("SELECT @@datadir").fetch_one(&mut conn).await.unwrap();
    let authority = Path::new(&data).join("ca.pem");
    if let Some(file) = authority.to_str().filter(|_| authority.exists()) {
        let verified = with(&[("DB_TLS", "verify_ca"), ("DB_CA_FILE", file)]).await;
        assert!(verified.contains("listening"), "{verified}");
    }
}
