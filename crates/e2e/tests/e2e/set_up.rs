//! What production does not start with, and how its database gets its passwords.

use std::{
    fs,
    process::{Command, Stdio},
};

use e2e::{PRODUCTION_TOKEN, World};
use harness::{
    database::{Admin, temporary_server},
    server::Purpose,
    wallet::Service,
    workspace_root,
};

/// Why a wallet in production did not start.
async fn refusal(purpose: Purpose, variables: &'static [(Service, &str, &str)]) -> String {
    let started = tokio::spawn(World::in_production(purpose, variables)).await;
    let panic = started.map(|_| "it started").unwrap_err().into_panic();
    panic.downcast_ref::<String>().expect("a panic with a message").clone()
}

#[tokio::test]
async fn production_refuses_a_database_that_may_lose_what_it_confirmed() {
    let why = refusal(Purpose::Test, &[]).await;
    assert!(why.contains("error: ") && why.contains("innodb_flush_log_at_trx_commit"), "{why}");
}

#[tokio::test]
async fn production_refuses_placeholders_and_names_their_variables() {
    let placeholders = &[
        (Service::User, "JWT_SECRET", "Your_JWT_secret_key_change_this1\r"),
        (Service::User, "METRICS_TOKEN", PRODUCTION_TOKEN),
        (Service::User, "DB_PASSWORD", "wallet_development"),
    ];
    let why = refusal(Purpose::Use, placeholders).await;
    assert!(
        ["JWT_SECRET", "METRICS_TOKEN", "DB_PASSWORD"].iter().all(|name| why.contains(&format!("- {name} "))),
        "{why}"
    );
    assert!(!why.contains(PRODUCTION_TOKEN) && !why.contains("Your_JWT"), "{why}");
}

#[tokio::test]
async fn containers_give_each_account_its_own_password() {
    let (server, folder) = temporary_server(Purpose::Test, &|_| {}).await.unwrap();
    // where the client looks last, and so for good: in a container the socket is where it looks first
    let options = format!("[client]\nsocket = {}\n", server.socket().display());
    fs::write(folder.path().join(".my.cnf"), options).unwrap();
    let password = |service: Service| format!(r#"{}'s \ "pass" $word"#, service.name());
    let mut script = Command::new(workspace_root().join("deploy/database/passwords.sh"));
    for service in Service::ALL {
        script.env(format!("{}_DB_PASSWORD", service.account().to_uppercase()), password(service));
    }
    script.env("HOME", folder.path()).env("MYSQL_ROOT_PASSWORD", "root").stdin(Stdio::null());
    let output = script.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for service in Service::ALL {
        let account = |password: &str| Admin::new("127.0.0.1", server.port(), service.account(), password);
        account(&password(service)).connect().await.unwrap();
        assert!(account("wallet_development").connect().await.is_err(), "{} has its old password", service.name());
    }
}
