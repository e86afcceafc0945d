//! The schema, as its migrations make it.

use sqlx::migrate::Migrator;

/// Every migration, in order.
pub fn migrations() -> Migrator {
    mysql::migrations![
        "0001_notifications",
        "0002_idempotency_keys",
        "0003_notifications_traceparent",
        "0004_notifications_lane",
        "0005_notifications_by_lane",
        "0006_mail_meters",
        "0007_readiness",
        "0008_notifications_one_index",
    ]
}
