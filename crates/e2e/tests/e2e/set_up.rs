//! What production does not start with, and how its database gets its passwords.

use std::process::{Command, Stdio};

use lab::{
    admin::Admin,
    database::temporary_server,
    server::Purpose,
    wallet::Service,
    workspace_root,
    world::{PRODUCTION_TOKEN, World},
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
async fn accounts_get_passwords_of_their_own_and_keep_the_old_ones_while_instances_are_replaced() {
    let (server, _folder) = temporary_server(Purpose::Test, &|_| {}).await.unwrap();
    let run = |generation: &str, keep: &str| {
        let mut script = Command::new(workspace_root().join("deploy/database/accounts.sh"));
        for service in Service::ALL {
            let variable = format!("{}_DB_PASSWORD", service.account().to_uppercase());
            script.env(variable, password(service, generation));
        }
        script.env("DB_HOST", "127.0.0.1").env("DB_PORT", server.port().to_string()).env("MYSQL_ROOT_PASSWORD", "root");
        let output = script.env("KEEP_OLD_PASSWORDS", keep).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let opens = async |service: Service, password: &str| {
        Admin::new("127.0.0.1", server.port(), service.account(), password).connect().await.is_ok()
    };
    // the password that everybody knows is kept in no case
    let all = Service::ALL.map(Service::name).join(" ");
    for (generation, keep, before) in [("first", &*all, None), ("second", &*all, Some("first")), ("second", "", None)] {
        run(generation, keep);
        for service in Service::ALL {
            let name = service.name();
            assert!(opens(service, &password(service, generation)).await, "{name} does not open");
            assert!(!opens(service, "wallet_development").await, "{name} opens with what everybody knows");
            assert_eq!(opens(service, &password(service, "first")).await, generation == "first" || before.is_some());
        }
    }
}

fn password(service: Service, generation: &str) -> String {
    format!(r#"{}'s {generation} \ "pass" $word"#, service.name())
}
