//! Leases on the database's clock: work that only one instance may do at a time.
//!
//! An instance that dies lets its lease run out. One that was merely paused may wake up beside its successor, so the
//! work itself must bear being done twice.

use fault::point;
use sqlx::MySqlPool;
use uuid::Uuid;

use crate::{bulk::literal, error::DbError, migrations::File, retry::retry, unit::begin};

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
        let (name, holder) = (literal(name), literal(holder.as_str()));
        let mut tx = begin(pool, point!("lease.hold")).await?;
        tx.write(format!("INSERT IGNORE INTO leases (name, holder, expires_at) VALUES ({name}, '', '2000-01-01')"));
        // the guard lets one of several takers win; the loser matches no row
        tx.write(format!(
            "UPDATE leases SET holder = {holder}, expires_at = NOW(6) + INTERVAL {seconds} SECOND
             WHERE name = {name} AND (holder = {holder} OR expires_at < NOW(6))"
        ));
        let held = format!("SELECT COUNT(*) FROM leases WHERE name = {name} AND holder = {holder}");
        let held: Vec<(i64,)> = tx.read(held).await?;
        tx.commit().await?;
        Ok(held == [(1,)])
    })
    .await
}

/// Gives the lease back, if this holder still has it.
pub async fn release(pool: &MySqlPool, name: &str, holder: &Holder) -> Result<(), DbError> {
    retry(|_| async {
        let mut tx = begin(pool, point!("lease.release")).await?;
        tx.write(format!(
            "UPDATE leases SET expires_at = '2000-01-01' WHERE name = {} AND holder = {}",
            literal(name),
            literal(holder.as_str())
        ));
        tx.commit().await
    })
    .await
}
