//! Opening an account.

use common::{ApiError, Result, caller::AccountState, config::Mode};
use fault::point;
use money::{Money, time};
use sqlx::MySqlPool;

use super::passwords::{NewPassword, Passwords};
use crate::{
    codes,
    store::{
        tokens,
        users::{self, User},
    },
};

/// An account that somebody wants to have.
pub struct NewAccount {
    /// The owner's name.
    pub full_name: String,
    /// The address for login and mail.
    pub email: String,
    /// What its owner logs in with. `None` for an account without a person, which nobody logs in to.
    pub password: Option<NewPassword>,
}

/// Opens an account. In production its password must be hard to guess.
pub async fn register(pool: &MySqlPool, passwords: &Passwords, mode: Mode, new: NewAccount) -> Result<User> {
    let NewAccount { full_name, email, password } = new;
    let hash = match password {
        Some(password) => {
            if mode == Mode::Production {
                password.must_be_hard_to_guess(&full_name, &email)?;
            }
            Some(passwords.acquire()?.hash(password.0).await?)
        }
        None => None,
    };
    let (key, now) = (tokens::new_key(), time::now());
    let id = mysql::retry(|_| async {
        let mut tx = mysql::begin(pool, point!("register")).await?;
        let id = users::insert(tx.conn().await?, &full_name, &email, hash.as_deref(), key, now).await?;
        tx.commit().await?;
        Ok(id)
    })
    .await?;
    let id = id.ok_or_else(email_taken)?;
    Ok(User { id, full_name, email, balance: Money::ZERO, held: Money::ZERO, state: AccountState::Active })
}

/// Another account has the address.
pub(super) fn email_taken() -> ApiError {
    ApiError::new(codes::EMAIL_TAKEN).field("email", "is used by another account")
}
