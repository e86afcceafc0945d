//! Registration and login.

use axum::extract::State;
use common::{
    ApiError, Result,
    answer::{Created, WithStatus},
    caller::{Gatekeeper, Grant, Signer, Trusted, address::ClientAddress},
    config::Mode,
    extract::Json,
    request,
};
use fault::point;
use money::{Email, Money, UserId, text, time};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::json;
use sqlx::MySqlPool;

use super::{email_taken, fields::FullName};
use crate::{
    app::passwords::{NewPassword, Passwords, Place, Verdict},
    codes,
    state::TokenLifetime,
    store::{
        attempts::{self, Subject},
        users::{self, User},
    },
};

request! {
    /// Who opens an account.
    #[schemars(example = json!({"full_name": "John Doe", "email": "john@example.com", "password": "password123"}))]
    pub struct Registration {
        full_name: FullName,
        email: Email,
        password: NewPassword,
    }
}

/// `POST /auth/register`: somebody opens an account.
pub async fn register(
    State(pool): State<MySqlPool>,
    State(passwords): State<Passwords>,
    State(gatekeeper): State<Gatekeeper>,
    Json(new): Json<Registration>,
) -> Result<Created<User>> {
    open_account(&pool, &passwords, gatekeeper.mode(), new).await
}

/// `POST /users`: an account is opened for somebody.
pub async fn register_other(
    _: Trusted,
    State(pool): State<MySqlPool>,
    State(passwords): State<Passwords>,
    State(gatekeeper): State<Gatekeeper>,
    Json(new): Json<Registration>,
) -> Result<Created<User>> {
    open_account(&pool, &passwords, gatekeeper.mode(), new).await
}

async fn open_account(pool: &MySqlPool, passwords: &Passwords, mode: Mode, new: Registration) -> Result<Created<User>> {
    if mode == Mode::Production {
        new.password.must_be_hard_to_guess(&new.full_name.0, &new.email.0)?;
    }
    let hash = passwords.enter()?.hash(new.password.0).await?;
    let now = time::now();
    let id = mysql::retry(|_| async {
        let mut tx = mysql::begin(pool, point!("register")).await?;
        let id = users::insert(&mut tx, &new.full_name.0, &new.email.0, &hash, now).await?;
        tx.commit().await?;
        Ok(id)
    })
    .await?;
    let id = id.ok_or_else(email_taken)?;
    let user = User { id, full_name: new.full_name.0, email: new.email.0, balance: Money::ZERO, held: Money::ZERO };
    Ok(WithStatus(user))
}

request! {
    /// Who logs in.
    #[schemars(example = json!({"email": "john@example.com", "password": "password123"}))]
    pub struct Login {
        email: String,
        #[schemars(with = "String")]
        password: SecretString,
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({
    "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl",
    "token_type": "Bearer",
    "expires_in": 3600,
    "user": {"id": 1, "full_name": "John Doe", "email": "john@example.com"},
}))]
pub struct LoggedIn {
    access_token: String,
    token_type: &'static str,
    expires_in: i64,
    user: LoggedInUser,
}

#[derive(Serialize, JsonSchema)]
struct LoggedInUser {
    id: UserId,
    full_name: String,
    email: String,
}

/// Counts an attempt to log in, or refuses it because there were too many.
async fn count_attempt(pool: &MySqlPool, account: Subject<'_>, client: Subject<'_>) -> Result<()> {
    let wait = mysql::retry(|_| async {
        let mut tx = mysql::begin(pool, point!("login.attempt")).await?;
        for subject in [account, client] {
            if let Some(wait) = attempts::begin(&mut tx, subject).await? {
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
        attempts::succeeded(&mut tx, account, client).await?;
        tx.commit().await
    });
    Ok(counted.await?)
}

/// Makes sure that somebody who is logged in knows the password, and returns its hash. A wrong one counts as a failed login.
pub async fn prove(
    pool: &MySqlPool,
    passwords: &Place,
    user: UserId,
    password: SecretString,
    ClientAddress(client): ClientAddress,
) -> Result<String> {
    let secrets = users::secrets(&mut *pool.acquire().await?, user).await?;
    let (email, hash) = secrets.ok_or(codes::USER_NOT_FOUND)?;
    let client = client.to_string();
    let (account, client) = (Subject::Account(&email), Subject::Client(&client));
    count_attempt(pool, account, client).await?;
    if passwords.verify(password, Some(hash.clone())).await? == Verdict::Wrong {
        return Err(codes::WRONG_PASSWORD.into());
    }
    count_success(pool, account, client).await?;
    Ok(hash)
}

/// `POST /auth/login`: an access token for the right password. An unknown address looks and costs like a wrong password.
pub async fn login(
    ClientAddress(client): ClientAddress,
    State(pool): State<MySqlPool>,
    State(passwords): State<Passwords>,
    State(signer): State<Signer>,
    State(TokenLifetime(seconds)): State<TokenLifetime>,
    Json(login): Json<Login>,
) -> Result<Json<LoggedIn>> {
    let client = client.to_string();
    let typed = Email::try_from(login.email.clone()).map(|Email(email)| email);
    let typed = typed.unwrap_or_else(|_| login.email.trim().to_ascii_lowercase());
    let (account, client) = (Subject::Account(&typed), Subject::Client(&client));
    let passwords = passwords.enter()?; // a login that is refused here counts for nothing
    count_attempt(&pool, account, client).await?;
    // accounts may have addresses that are no longer taken: quoted ones
    let known = if typed.is_ascii() { users::credentials(&mut *pool.acquire().await?, &typed).await? } else { None };
    let hash = known.as_ref().map(|user| user.password_hash.clone());
    let verdict = passwords.verify(login.password.clone(), hash).await?;
    let user = known.filter(|_| verdict != Verdict::Wrong).ok_or_else(|| ApiError::new(codes::INVALID_CREDENTIALS))?;
    count_success(&pool, account, client).await?;
    if verdict == Verdict::RightButOutdated {
        let password = text::composed(login.password.expose_secret());
        let hash = passwords.hash(password.into()).await?;
        mysql::retry(|_| async {
            let mut tx = mysql::begin(&pool, point!("rehash")).await?;
            users::rehash(&mut tx, user.id, &user.password_hash, &hash).await?;
            tx.commit().await
        })
        .await?;
    }
    let access_token = signer.sign(&Grant::of(user.id, user.token_key, user.token_version, user.read_at, seconds))?;
    let user = LoggedInUser { id: user.id, full_name: user.full_name, email: user.email };
    Ok(Json(LoggedIn { access_token, token_type: "Bearer", expires_in: seconds, user }))
}
