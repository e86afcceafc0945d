//! Leases on the database's clock: work that only one instance may do at a time.
//!
//! An instance that dies lets its lease run out. One that was merely paused may wake up beside its successor, so the
//! work itself must bear being done twice.

use fault::point;
use sqlx::MySqlPool;
use uuid::Uuid;

use crate::{error::DbError, migrations::File, retry::retry, unit::begin};

/// The table of leases.
pub const TABLE: File = crate::migration!("0001_leases");

/// Names this process among those that share a database.
#[derive(Debug, Clone)]
pub struct Holder(String);

impl Holder {
    /// A name that no other process has.
    #[expect(clippy::new_without_default, reason = "each holder is another one")]
    pub fn new() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }

    /// The name, for rows that are leased one by one.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Takes or renews the lease `name` for `seconds`; false while another holder has it.
pub async fn hold(pool: &MySqlPool, name: &str, holder: &Holder, seconds: u32) -> Result<bool, DbError> {
    retry(|_| async {
        let mut tx = begin(pool, point!("lease.hold")).await?;
        sqlx::query("INSERT IGNORE INTO leases (name, holder, expires_at) VALUES (?, '', '2000-01-01')")
            .bind(name)
            .execute(tx.conn().await?)
            .await?;
        // the guard lets one of several takers win; the loser matches no row
        let taken = sqlx::query(
            "UPDATE leases SET holder = ?, expires_at = NOW(6) + INTERVAL ? SECOND
             WHERE name = ? AND (holder = ? OR expires_at < NOW(6))",
        )
        .bind(&holder.0)
        .bind(seconds)
        .bind(name)
        .bind(&holder.0)
        .execute(tx.conn().await?)
        .await?;
        tx.commit().await?;
        Ok(taken.rows_affected() == 1)
    })
    .await
}

/// Gives the lease back, if this holder still has it.
pub async fn release(pool: &MySqlPool, name: &str, holder: &Holder) -> Result<(), DbError> {
    retry(|_| async {
        let mut tx = begin(pool, point!("lease.release")).await?;
        sqlx::query("UPDATE leases SET expires_at = '2000-01-01' WHERE name = ? AND holder = ?")
            .bind(name)
            .bind(&holder.0)
            .execute(tx.conn().await?)
            .await?;
        tx.commit().await
    })
    .await
}
