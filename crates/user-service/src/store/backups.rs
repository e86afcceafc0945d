//! Backups that were proved. Who makes them writes them down: deploy/database/backup.sh.

use common::monitoring::{number, show};
use sqlx::MySqlPool;

/// Shows when the newest one was taken.
pub async fn measure(pool: &MySqlPool) -> sqlx::Result<()> {
    let newest: i64 = sqlx::query_scalar("SELECT COALESCE(UNIX_TIMESTAMP(MAX(taken_at)) DIV 1, 0) FROM backups")
        .fetch_one(pool)
        .await?;
    show("backup_proved_timestamp_seconds", "When the newest backup that was proved was taken, or 0", number(newest));
    Ok(())
}
