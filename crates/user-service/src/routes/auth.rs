//! Registration and login.

use axum::extract::State;
use common::{
    ApiError, Result,
    answer::{Created, WithStatus},
    caller::{Gatekeeper, Grant, Signer, Trusted, address::ClientAddress},
    extract::Json,
    request,
};
use money::{Email, UserId};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::json;
use sqlx::MySqlPool;

use super::fields::FullName;
use crate::{
    app::{
        login,
        passwords::{NewPassword, Passwords},
        register::{self, NewAccount},
    },
    codes,
    state::TokenLifetime,
    store::users::User,
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

impl From<Registration> for NewAccount {
    fn from(Registration { full_name, email, password }: Registration) -> Self {
        Self { full_name: full_name.0, email: email.0, password: Some(password) }
    }
}

request! {
    /// For whom an account is opened.
    #[schemars(example = json!({"full_name": "John Doe", "email": "john@example.com", "password": "password123"}))]
    pub struct RegistrationOfOther {
        full_name: FullName,
        email: Email,
        /// What its owner logs in with. A service may leave it out: then nobody logs in, as fits a platform's fee account.
        password: Option<NewPassword>,
    }
}

impl From<RegistrationOfOther> for NewAccount {
    fn from(RegistrationOfOther { full_name, email, password }: RegistrationOfOther) -> Self {
        Self { full_name: full_name.0, email: email.0, password }
    }
}

/// `POST /auth/register`: somebody opens an account.
pub async fn register(
    State(pool): State<MySqlPool>,
    State(passwords): State<Passwords>,
    State(gatekeeper): State<Gatekeeper>,
    Json(new): Json<Registration>,
) -> Result<Created<User>> {
    Ok(WithStatus(register::register(&pool, &passwords, gatekeeper.mode(), new.into()).await?))
}

/// `POST /users`: an account is opened for somebody, or by a service for nobody in particular.
pub async fn register_other(
    Trusted(caller): Trusted,
    State(pool): State<MySqlPool>,
    State(passwords): State<Passwords>,
    State(gatekeeper): State<Gatekeeper>,
    Json(new): Json<RegistrationOfOther>,
) -> Result<Created<User>> {
    if new.password.is_none() && !caller.is_service() {
        return Err(ApiError::new(codes::MISSING_FIELD).field("password", "is missing"));
    }
    Ok(WithStatus(register::register(&pool, &passwords, gatekeeper.mode(), new.into()).await?))
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

/// `POST /auth/login`: an access token for the right password. An unknown address looks and costs like a wrong password.
pub async fn login(
    ClientAddress(client): ClientAddress,
    State(pool): State<MySqlPool>,
    State(passwords): State<Passwords>,
    State(signer): State<Signer>,
    State(TokenLifetime(seconds)): State<TokenLifetime>,
    Json(login): Json<Login>,
) -> Result<Json<LoggedIn>> {
    let user = login::log_in(&pool, &passwords, &login.email, &login.password, &client.to_string()).await?;
    let access_token = signer.sign(&Grant::of(user.id, user.token_key, user.token_version, user.read_at, seconds))?;
    let user = LoggedInUser { id: user.id, full_name: user.full_name, email: user.email };
    Ok(Json(LoggedIn { access_token, token_type: "Bearer", expires_in: seconds, user }))
}
