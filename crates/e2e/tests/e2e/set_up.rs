//! What production does not start with.

use e2e::World;
use harness::{server::Purpose, wallet::Service};

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
        (Service::User, "JWT_SECRET", "your_jwt_secret_key_change_this"),
        (Service::User, "DB_PASSWORD", "wallet_development"),
    ];
    let why = refusal(Purpose::Use, placeholders).await;
    assert!(why.contains("JWT_SECRET") && why.contains("DB_PASSWORD"), "{why}");
}
