//! The schema, as its migrations make it.

use sqlx::migrate::Migrator;

/// Every migration, in order.
pub fn migrations() -> Migrator {
    mysql::migrations![
        "0001_transactions",
        "0002_summaries",
        "0003_users",
        "0004_reports",
        "0005_sync_state",
        "0006_leases",
        "0007_idempotency_keys",
        "0008_transactions_counted",
        "0009_summaries_wide_totals",
        "0010_summaries_published",
        "0011_sync_state_true_at",
        "0012_report_marks",
        "0013_report_marks_of_old",
        "0014_readiness",
    ]
}
