//! Changing an account. Whoever has only found a token cannot take it over.

use common::{
    ApiError, Result,
    caller::{Caller, Owner},
    config::Mode,
    origin::Origin,
};
use fault::point;
use money::{UserId, time};
use mysql::DbError;
use secrecy::SecretString;
use sqlx::MySqlPool;
use uuid::Uuid;

use super::{
    login::prove,
    passwords::{NewPassword, Passwords},
    register::email_taken,
};
use crate::{
    codes,
    store::users::{self, Accounts, Changes, Updated, User},
};

/// How often a password is checked again because its hash has changed meanwhile.
const MAX_PROOFS: u32 = 3;

/// What is to change of an account; `None` leaves it as it is.
pub struct Wanted {
    /// The owner's name.
    pub full_name: Option<String>,
    /// The address for login and mail.
    pub email: Option<String>,
    /// What its owner logs in with.
    pub password: Option<NewPassword>,
    /// The password until now: a user needs it to change `email` or `password`.
    pub current_password: Option<SecretString>,
}

impl Wanted {
    fn changes_nothing(&self) -> bool {
        self.full_name.is_none() && self.email.is_none() && self.password.is_none()
    }

    /// True for what would take the account over.
    fn needs_proof(&self, caller: Caller) -> bool {
        !caller.is_service() && (self.email.is_some() || self.password.is_some())
    }
}

/// Changes the account of `owner`, who calls from `client`. In production a new password must be hard to guess.
pub async fn change(
    pool: &MySqlPool,
    accounts: &Accounts,
    passwords: &Passwords,
    mode: Mode,
    owner: Owner,
    wanted: Wanted,
    client: &str,
) -> Result<User> {
    if wanted.changes_nothing() {
        return Err(codes::NOTHING_TO_CHANGE.into());
    }
    if wanted.needs_proof(owner.caller) && wanted.current_password.is_none() {
        return Err(ApiError::new(codes::MISSING_FIELD).field("current_password", "is missing"));
    }
    if let (Some(password), Mode::Production) = (&wanted.password, mode) {
        let now = accounts.find(owner.user).await?.ok_or(codes::USER_NOT_FOUND)?;
        let full_name = wanted.full_name.as_ref().unwrap_or(&now.full_name);
        password.must_be_hard_to_guess(full_name, wanted.email.as_ref().unwrap_or(&now.email))?;
    }
    let Wanted { full_name, email, password, current_password } = wanted;
    let (id, origin) = (Uuid::new_v4(), Origin::current());
    let mut changes = Changes { full_name, email, password_hash: None, proven: None, id, origin };
    if password.is_none() && current_password.is_none() {
        return updated(write(pool, owner.user, &changes).await?);
    }
    let permit = passwords.acquire()?;
    for attempt in 1.. {
        if let Some(current) = &current_password {
            changes.proven = Some(prove(pool, &permit, owner.user, current.clone(), client).await?);
        }
        if let (Some(password), None) = (&password, &changes.password_hash) {
            changes.password_hash = Some(permit.hash(password.0.clone()).await?);
        }
        match write(pool, owner.user, &changes).await? {
            // its hash is another one since it was shown: of another password, or one that a login has renewed
            Updated::Unproven if attempt < MAX_PROOFS => {}
            other => return updated(other),
        }
    }
    unreachable!("the loop returns at its last attempt")
}

async fn write(pool: &MySqlPool, user: UserId, changes: &Changes) -> Result<Updated, DbError> {
    let now = time::now();
    mysql::retry(|_| async {
        let mut tx = mysql::begin(pool, point!("update")).await?;
        let updated = users::update(&mut tx, user, changes, now).await?;
        tx.commit().await?;
        Ok(updated)
    })
    .await
}

fn updated(updated: Updated) -> Result<User> {
    match updated {
        Updated::Done(user) => Ok(user),
        Updated::NotFound => Err(codes::USER_NOT_FOUND.into()),
        Updated::EmailTaken => Err(email_taken()),
        Updated::Unproven => Err(codes::WRONG_PASSWORD.into()),
    }
}
