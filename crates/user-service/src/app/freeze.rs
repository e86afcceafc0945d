//! Freezing, locking and freeing an account.

use std::collections::BTreeSet;

use common::{Result, caller::AccountState, origin::Origin, outbox};
use fault::point;
use money::UserId;
use mysql::DbError;
use sqlx::MySqlPool;
use uuid::Uuid;

use crate::{
    codes,
    domain::facts,
    store::{
        ledger,
        states::{self, StateChange},
        users::{Accounts, User},
    },
};

/// Puts the account of `user` into `state`, for `reason`, and returns it as it is then. Its owner is notified, of the change and not of
/// the reason.
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
        let before = states::change(&mut tx, &change).await?;
        if before.is_some_and(|before| before != state)
            && let Some(address) = ledger::addresses(&mut tx, &BTreeSet::from([user])).await?.remove(&user)
        {
            outbox::write(&mut tx, &[facts::state_changed(user, state, address, change.id, &change.origin)]);
        }
        tx.commit().await?;
        Ok(before.is_some())
    })
    .await;
    if !changed? {
        return Err(codes::USER_NOT_FOUND.into());
    }
    Ok(accounts.find(user).await?.ok_or(codes::USER_NOT_FOUND)?)
}
