//! Mailing again what had failed.

use fault::point;
use money::time;
use mysql::DbError;
use sqlx::MySqlPool;

use super::worker;
use crate::store::{notifications as store, notifications::Filter};

/// Has the worker mail again whatever `filter` finds, and returns how many that are.
pub async fn resend(pool: &MySqlPool, filter: &Filter) -> Result<u64, DbError> {
    let mut resent = 0;
    // one commit for so many: rows are locked for a moment only, and those who pay have the disk meanwhile
    loop {
        let some = mysql::retry(|_| async {
            let mut tx = mysql::begin(pool, point!("resend")).await?;
            let some = store::resend_some(tx.conn().await?, filter, time::now()).await?;
            worker::announce(&mut tx);
            tx.commit().await?;
            Ok(some)
        })
        .await?;
        resent += some;
        if some == 0 {
            return Ok(resent);
        }
    }
}
