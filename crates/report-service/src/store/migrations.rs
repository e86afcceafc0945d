//! The schema, as its migrations make it.

use common::idempotency;
use mysql::{READINESS, lease};
use sqlx::migrate::Migrator;

/// Every migration, in order.
pub fn migrations() -> Migrator {
    let shared = [lease::TABLE, READINESS, idempotency::TABLE];
    let own = mysql::migrations![
        "0101_transactions",
        "0102_summaries",
        "0103_users",
        "0104_reports",
        "0105_report_marks",
        "0106_sync_state",
        "0107_transactions_captured",
        "0130_transactions_shares",
        "0131_transaction_shares",
        "0140_entries",
        "0141_entry_accounts",
        "0142_entry_references",
        "0143_entry_feeds",
        "0144_transactions_texts",
        "0145_names",
        "0150_transactions_counted",
        "0151_overview_days",
        "0152_settle_times",
        "0153_sync_state_zone",
        "0154_wallet_totals",
        "0156_statements",
        "0160_reconciliations",
        "0161_reconciliation_parts",
        "0162_transactions_settled",
        "0163_names_closings",
    ];
    mysql::migrator(shared.into_iter().chain(own))
}
