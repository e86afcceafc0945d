//! Users, as far as this service has seen them.

use common::{Result, error::error_chain};
use fault::point;
use money::UserId;

use super::sync::Sync;
use crate::{codes, store::copies};

impl Sync {
    /// 404 unless the user exists; if user-service is away, unless it has been seen before.
    pub async fn must_exist(&self, user: UserId) -> Result<()> {
        let found = self.users.exists(user).await; // no connection is kept during a call
        let is_known = copies::is_known(&mut *self.reads.acquire().await?, user).await?;
        match found {
            Ok(true) if is_known => Ok(()),
            Ok(true) => {
                mysql::retry(|_| async {
                    let mut tx = mysql::begin(&self.pool, point!("seen")).await?;
                    copies::take_over_users(tx.conn().await?, &[user]).await?;
                    tx.commit().await
                })
                .await?;
                Ok(())
            }
            Ok(false) => Err(codes::USER_NOT_FOUND.into()),
            Err(error) => {
                tracing::warn!(error = error_chain(&error), "looking the user up in the copy");
                if is_known { Ok(()) } else { Err(error.into()) }
            }
        }
    }
}
