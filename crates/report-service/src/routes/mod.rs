//! The routes of report-service, one file for each resource.

pub mod reports;
pub mod summaries;
pub mod sync;

use common::{Result, error::error_chain, reads::ReadPool};
use fault::point;
use money::UserId;
use sqlx::MySqlPool;

use crate::{clients::UserClient, codes, store::copies};

/// 404 unless the user exists; if user-service is away, unless it has been seen before. Returns whether user-service could
/// be asked.
async fn must_exist(pool: &MySqlPool, reads: &ReadPool, users: &UserClient, user: UserId) -> Result<bool> {
    let found = users.exists(user).await; // no connection is kept during a call
    let is_known = copies::is_known(&mut *reads.acquire().await?, user).await?;
    match found {
        Ok(true) if is_known => Ok(true),
        Ok(true) => {
            mysql::retry(|_| async {
                let mut tx = mysql::begin(pool, point!("seen")).await?;
                copies::take_over_users(&mut tx, &[user]).await?;
                tx.commit().await
            })
            .await?;
            Ok(true)
        }
        Ok(false) => Err(codes::USER_NOT_FOUND.into()),
        Err(error) => {
            tracing::warn!(error = error_chain(&error), "looking the user up in the copy");
            if is_known { Ok(false) } else { Err(error.into()) }
        }
    }
}
