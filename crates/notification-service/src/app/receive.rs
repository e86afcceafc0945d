//! Taking what the other services' facts mean for users.

use fault::point;
use money::time;
use mysql::DbError;
use sqlx::MySqlPool;

use super::worker;
use crate::{
    domain::{fairness::Fairness, notices::Notice},
    store::notifications as store,
};

/// Stores `notices`, which the worker mails. One that is known already changes nothing.
pub async fn receive(pool: &MySqlPool, fairness: &Fairness, notices: &[Notice]) -> Result<(), DbError> {
    let now = time::now();
    let meters = mysql::retry(|attempt| async move {
        let mut tx = mysql::begin(pool, point!("facts")).await?;
        let meters = store::insert_notices(tx.conn().await?, notices, fairness, now, attempt).await?;
        worker::announce(&mut tx);
        tx.commit().await?;
        Ok(meters)
    })
    .await?;
    fairness.remember(&meters);
    Ok(())
}
