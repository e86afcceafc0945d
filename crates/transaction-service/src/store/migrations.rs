//! The schema, as its migrations make it.

use sqlx::migrate::Migrator;

/// Every migration, in order.
pub fn migrations() -> Migrator {
    mysql::migrations![
        "0001_transactions",
        "0002_outbox",
        "0003_leases",
        "0004_outbox_monitoring",
        "0005_outbox_actor",
        "0006_transactions_parties",
        "0007_readiness",
    ]
}
