//! The schema, as its migrations make it.

use sqlx::migrate::Migrator;

/// Every migration, in order.
pub fn migrations() -> Migrator {
    mysql::migrations![
        "0001_users",
        "0002_operations",
        "0003_ledger_entries",
        "0004_holds",
        "0005_outbox",
        "0006_leases",
        "0007_revocations",
        "0008_login_attempts",
        "0009_outbox_monitoring",
        "0010_ledger_audits",
        "0012_users_token_key",
        "0014_outbox_actor",
        "0016_users_wide_balances",
        "0017_operations_wide_balances",
        "0018_ledger_entries_wide_balances",
        "0019_readiness",
        "0020_backups",
    ]
}
