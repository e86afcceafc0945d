//! The schema, as its migrations make it.

use common::outbox;
use mysql::{READINESS, lease};
use sqlx::migrate::Migrator;

/// Every migration, in order.
pub fn migrations() -> Migrator {
    let shared = [lease::TABLE, READINESS, outbox::TABLE];
    let own = mysql::migrations![
        "0101_users",
        "0102_accounts",
        "0103_operations",
        "0104_ledger_entries",
        "0105_holds",
        "0106_revocations",
        "0107_login_attempts",
        "0108_ledger_audits",
        "0109_backups",
        "0110_holds_refunded",
        "0111_operations_metadata",
        "0112_accounts_limits",
        "0113_account_states",
        "0114_holds_counted_on",
        "0115_operations_exceeded",
        "0118_ledger_entries_transaction",
        "0120_lookups",
        "0130_holds_shares",
        "0140_ledger_entries_is_fee",
        "0141_login_attempts_forgiven",
    ];
    mysql::migrator(shared.into_iter().chain(own))
}
