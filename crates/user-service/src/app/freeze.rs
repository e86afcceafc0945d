//! Freezing, locking and freeing an account.

use common::{Result, caller::AccountState, origin::Origin};
use fault::point;
use money::UserId;
use mysql::DbError;
use sqlx::MySqlPool;
use uuid::Uuid;

use crate::{
    codes,
    store::{
        states::{self, StateChange},
        users::{Accounts, User},
    },
};

/// Puts the account of `user` into `state`, for `reason`, and returns it as it is then.
pub async fn change_state(
    pool: &MySqlPool,
    accounts: &Accounts,
    user: UserId,
    state: AccountState,
    reason: String,
) -> Result<User> {
    let change = StateChange { id: Uuid::new_v4(), user, state, reason, origin: Origin::current() };
    let changed: Result<bool, DbError> = mysql::retry(|_| async {
        let mut tx = mysql::begin(pool, point!("state")).await?;
        let changed = states::change(&mut tx, &change).await?;
        tx.commit().await?;
        Ok(changed)
    })
    .await;
    if !changed? {
        return Err(codes::USER_NOT_FOUND.into());
    }
    Ok(accounts.find(user).await?.ok_or(codes::USER_NOT_FOUND)?)
}
