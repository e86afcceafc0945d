//! The schema, as its migrations make it.

use common::idempotency;
use mysql::READINESS;
use sqlx::migrate::Migrator;

/// Every migration, in order.
pub fn migrations() -> Migrator {
    let shared = [READINESS, idempotency::TABLE];
    mysql::migrator(shared.into_iter().chain(mysql::migrations![
        "0101_notifications",
        "0102_mail_meters",
        "0103_notifications_deleted",
    ]))
}
