//! What accounts may do with money, and who has decided so.

use common::{caller::AccountState, origin::Origin};
use money::UserId;
use mysql::Unit;
use uuid::Uuid;

use super::revocations;

/// A change of an account's state.
pub struct StateChange {
    /// Its identity, also if it has to be made twice.
    pub id: Uuid,
    /// Whose account.
    pub user: UserId,
    /// What it is from now on.
    pub state: AccountState,
    /// Why.
    pub reason: String,
    /// Who asks for it.
    pub origin: Origin,
}

/// Changes the state of an account that is not closed, and ends the tokens of one that is locked. Returns the state that it had, the
/// new one if the change is made already; `None` if there is no such account.
pub async fn change(unit: &mut Unit, change: &StateChange) -> sqlx::Result<Option<AccountState>> {
    // the lock that payments take: whatever is paid before it is paid, and whatever comes after it finds the new state
    let before: Option<AccountState> =
        sqlx::query_scalar("SELECT state FROM accounts WHERE user_id = ? AND state <> 'closed' FOR UPDATE")
            .bind(change.user)
            .fetch_optional(unit.conn().await?)
            .await?;
    let Some(before) = before else { return Ok(None) };
    // after an unknown commit the second run finds what the first one did; another change may have come since
    let done: Option<(i64,)> = sqlx::query_as("SELECT 1 FROM account_states WHERE id = ?")
        .bind(change.id.to_string())
        .fetch_optional(unit.conn().await?)
        .await?;
    if done.is_some() {
        return Ok(Some(change.state));
    }
    sqlx::query("INSERT INTO account_states (id, user_id, state, reason, actor, request_id) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(change.id.to_string())
        .bind(change.user)
        .bind(change.state)
        .bind(&change.reason)
        .bind(change.origin.actor())
        .bind(change.origin.request())
        .execute(unit.conn().await?)
        .await?;
    sqlx::query("UPDATE accounts SET state = ? WHERE user_id = ?")
        .bind(change.state)
        .bind(change.user)
        .execute(unit.conn().await?)
        .await?;
    if change.state == AccountState::Locked {
        revocations::revoke(unit, change.user).await?;
    }
    Ok(Some(before))
}
