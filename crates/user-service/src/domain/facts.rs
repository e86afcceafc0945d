//! The facts that become true with what happens to an account, whoever causes it.
//!
//! What warns the owner of an account brings the address that the account had when it happened: whoever has taken it over
//! and changes the address, or closes the account, does not get the warning.

use common::{
    caller::AccountState,
    fact::{AccountChange, AccountClosed, AccountMovement, Fact, Kind},
    origin::Origin,
};
use money::{Money, UserId};
use uuid::Uuid;

/// The password is another one. `change` is its identity.
pub fn password_changed(user_id: UserId, address: String, change: Uuid, origin: &Origin) -> Fact {
    Fact::new(format!("password:{change}"), Kind::PasswordChanged, &AccountChange { user_id }, origin).at(address)
}

/// Mails go to another address from now on. `change` is its identity, `address` the old one.
pub fn email_changed(user_id: UserId, address: String, change: Uuid, origin: &Origin) -> Fact {
    Fact::new(format!("address:{change}"), Kind::EmailChanged, &AccountChange { user_id }, origin).at(address)
}

/// The account is frozen, locked or free from now on. `change` is its identity.
pub fn state_changed(user_id: UserId, state: AccountState, address: String, change: Uuid, origin: &Origin) -> Fact {
    let kind = match state {
        AccountState::Active => Kind::UserUnfrozen,
        AccountState::Frozen => Kind::UserFrozen,
        AccountState::Locked => Kind::UserLocked,
    };
    Fact::new(format!("state:{change}"), kind, &AccountChange { user_id }, origin).at(address)
}

/// Money went out.
pub fn debited(change: &AccountMovement, address: String, origin: &Origin) -> Fact {
    Fact::new(format!("debit:{}", Uuid::new_v4()), Kind::DebitCompleted, change, origin).at(address)
}

/// Money came in.
pub fn topped_up(change: &AccountMovement, origin: &Origin) -> Fact {
    Fact::new(format!("topup:{}", Uuid::new_v4()), Kind::TopupCompleted, change, origin)
}

/// The account is no more, and `paid_out` was paid out.
pub fn closed(user_id: UserId, address: String, paid_out: Money, origin: &Origin) -> Fact {
    Fact::new(format!("user:{user_id}:closed"), Kind::UserClosed, &AccountClosed { user_id, paid_out }, origin)
        .at(address)
}
