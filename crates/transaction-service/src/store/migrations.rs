//! The schema, as its migrations make it.

use common::{idempotency, outbox};
use mysql::{READINESS, lease};
use sqlx::migrate::Migrator;

/// Every migration, in order.
pub fn migrations() -> Migrator {
    let shared = [lease::TABLE, READINESS, outbox::TABLE, idempotency::TABLE];
    mysql::migrator(shared.into_iter().chain(mysql::migrations![
        "0101_transactions",
        "0102_transactions_captured",
        "0103_captures",
        "0104_transactions_labelled",
        "0105_transaction_labels",
        "0106_transactions_batch",
        "0107_batches",
        "0108_batch_items",
        "0110_transactions_scheduled",
        "0111_schedules",
        "0120_payment_requests",
        "0130_transactions_shares",
        "0131_transaction_shares",
        "0132_captures_shares",
        "0133_transactions_settled",
        "0134_schedules_shares",
    ]))
}
