//! Knowing somebody by a password, whose guesses are counted.

use common::{ApiError, Result, caller::AccountState, worker::Step};
use fault::point;
use money::{Email, UserId, text};
use secrecy::{ExposeSecret, SecretString};
use sqlx::MySqlPool;

use super::passwords::{Passwords, Permit, Verdict};
use crate::{
    codes,
    store::{
        attempts::{self, Subject},
        lookups,
        users::{self, Credentials},
    },
};

/// Whoever has the address that was `typed` and the password, calling from `client`. An unknown address looks and costs like
/// a wrong password.
pub async fn log_in(
    pool: &MySqlPool,
    passwords: &Passwords,
    typed: &str,
    password: &SecretString,
    client: &str,
) -> Result<Credentials> {
    let address = Email::try_from(typed.to_owned()).map(|Email(email)| email);
    let address = address.unwrap_or_else(|_| typed.trim().to_ascii_lowercase());
    let (account, client) = (Subject::Account(&address), Subject::Client(client));
    let passwords = passwords.acquire()?; // a login that is refused here counts for nothing
    count_attempt(pool, account, client).await?;
    // accounts may have addresses that are no longer taken: quoted ones
    let known =
        if address.is_ascii() { users::credentials(&mut *pool.acquire().await?, &address).await? } else { None };
    let known_hash = known.as_ref().and_then(|user| user.password_hash.clone());
    let verdict = passwords.verify(password.clone(), known_hash.clone()).await?;
    let user = known.filter(|_| verdict != Verdict::Wrong).ok_or_else(|| ApiError::new(codes::INVALID_CREDENTIALS))?;
    count_success(pool, account, client).await?;
    // whoever knows the password may know it, and nobody else
    if user.state == AccountState::Locked {
        return Err(codes::ACCOUNT_LOCKED.into());
    }
    if let (Verdict::RightButOutdated, Some(known_hash)) = (verdict, known_hash) {
        let hash = passwords.hash(text::composed(password.expose_secret()).into()).await?;
        mysql::retry(|_| async {
            let mut tx = mysql::begin(pool, point!("rehash")).await?;
            users::rehash(tx.conn().await?, user.id, &known_hash, &hash).await?;
            tx.commit().await
        })
        .await?;
    }
    Ok(user)
}

/// Makes sure that somebody who is logged in knows the password, and returns its hash. A wrong one counts as a failed login.
pub(super) async fn prove(
    pool: &MySqlPool,
    passwords: &Permit,
    user: UserId,
    password: SecretString,
    client: &str,
) -> Result<String> {
    let secrets = users::secrets(&mut *pool.acquire().await?, user).await?;
    let (email, hash) = secrets.ok_or(codes::USER_NOT_FOUND)?;
    let (account, client) = (Subject::Account(&email), Subject::Client(client));
    count_attempt(pool, account, client).await?;
    let verdict = passwords.verify(password, hash.clone()).await?;
    let hash = hash.filter(|_| verdict != Verdict::Wrong).ok_or(codes::WRONG_PASSWORD)?;
    count_success(pool, account, client).await?;
    Ok(hash)
}

/// Counts an attempt to log in, or refuses it because there were too many.
async fn count_attempt(pool: &MySqlPool, account: Subject<'_>, client: Subject<'_>) -> Result<()> {
    let wait = mysql::retry(|_| async {
        let mut tx = mysql::begin(pool, point!("login.attempt")).await?;
        for subject in [account, client] {
            if let Some(wait) = attempts::begin(tx.conn().await?, subject).await? {
                return Ok(Some(wait));
            }
        }
        tx.commit().await?;
        Ok(None)
    });
    match wait.await? {
        None => Ok(()),
        Some(wait) => Err(ApiError::new(codes::TOO_MANY_ATTEMPTS).retry_after(wait)),
    }
}

/// Takes back what [`count_attempt`] has counted.
async fn count_success(pool: &MySqlPool, account: Subject<'_>, client: Subject<'_>) -> Result<()> {
    let counted = mysql::retry(|_| async {
        let mut tx = mysql::begin(pool, point!("login.success")).await?;
        attempts::succeeded(tx.conn().await?, account, client).await?;
        tx.commit().await
    });
    Ok(counted.await?)
}

/// Forgets attempts, and look-ups of addresses, that no longer count.
pub async fn forget_attempts(pool: &MySqlPool) -> anyhow::Result<Step> {
    let forgotten = mysql::retry(|_| async {
        let mut tx = mysql::begin(pool, point!("login.forget")).await?;
        let forgotten = attempts::forget(tx.conn().await?).await? + lookups::forget(tx.conn().await?).await?;
        tx.commit().await?;
        Ok(forgotten)
    });
    Ok(if forgotten.await? == 0 { Step::Idle } else { Step::Worked })
}
