//! Accounts.

use axum::extract::State;
use common::{
    ApiError, Result,
    caller::{Gatekeeper, Owner, Viewer, Visitor, address::ClientAddress},
    config::Mode,
    extract::Json,
    origin::Origin,
    page::{List, Listed},
    reads::ReadPool,
    request,
};
use fault::point;
use money::{Email, Money, UserId, time};
use mysql::DbError;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::json;
use sqlx::MySqlPool;
use uuid::Uuid;

use super::{auth::prove, email_taken, fields::FullName};
use crate::{
    app::close::Closing,
    app::ledger::Ledger,
    app::passwords::{NewPassword, Passwords},
    codes,
    store::users::{self, Accounts, Changes, Updated, User},
};

/// How often a password is checked again because its hash has changed meanwhile.
const MAX_PROOFS: u32 = 3;

/// `GET /users`: accounts by id; a user sees its own.
pub async fn list(
    Visitor { caller, .. }: Visitor,
    State(reads): State<ReadPool>,
    List(page, ()): List<()>,
) -> Result<Listed<User>> {
    let only = caller.only_user();
    let found = users::list(&mut *reads.acquire_for(only).await?, only, page.cursor, page.rows()).await?;
    Ok(page.answer(found, |user| user.id.get()))
}

/// `GET /users/{id}`
pub async fn show(Viewer { user: id, .. }: Viewer, State(accounts): State<Accounts>) -> Result<Json<User>> {
    Ok(Json(accounts.find(id).await?.ok_or(codes::USER_NOT_FOUND)?))
}

request! {
    /// What is to change of an account.
    #[schemars(example = json!({"full_name": "John Updated"}))]
    pub struct Update {
        full_name: Option<FullName>,
        email: Option<Email>,
        password: Option<NewPassword>,
        /// The password until now: a user needs it to change `email` or `password`.
        #[schemars(with = "Option<String>")]
        current_password: Option<SecretString>,
    }
}

/// `PUT /users/{id}`: changes what the body names. Whoever has only found a token cannot take the account over.
pub async fn update(
    owner: Owner,
    client: ClientAddress,
    State(pool): State<MySqlPool>,
    State(accounts): State<Accounts>,
    State(passwords): State<Passwords>,
    State(gatekeeper): State<Gatekeeper>,
    Json(update): Json<Update>,
) -> Result<Json<User>> {
    if update.full_name.is_none() && update.email.is_none() && update.password.is_none() {
        return Err(codes::NOTHING_TO_CHANGE.into());
    }
    let needs_proof = !owner.caller.is_service() && (update.email.is_some() || update.password.is_some());
    if needs_proof && update.current_password.is_none() {
        return Err(ApiError::new(codes::MISSING_FIELD).field("current_password", "is missing"));
    }
    if let (Some(password), Mode::Production) = (&update.password, gatekeeper.mode()) {
        let now = accounts.find(owner.user).await?.ok_or(codes::USER_NOT_FOUND)?;
        let full_name = update.full_name.as_ref().map_or(&now.full_name, |name| &name.0);
        let email = update.email.as_ref().map_or(&now.email, |email| &email.0);
        password.must_be_hard_to_guess(full_name, email)?;
    }
    let mut changes = Changes {
        full_name: update.full_name.map(|name| name.0),
        email: update.email.map(|email| email.0),
        password_hash: None,
        proven: None,
        id: Uuid::new_v4(),
        trace: Origin::current().trace,
    };
    if update.password.is_none() && update.current_password.is_none() {
        return answer(change(&pool, owner.user, &changes).await?);
    }
    let place = passwords.enter()?;
    for attempt in 1.. {
        if let Some(password) = &update.current_password {
            changes.proven = Some(prove(&pool, &place, owner.user, password.clone(), client).await?);
        }
        if let (Some(password), None) = (&update.password, &changes.password_hash) {
            changes.password_hash = Some(place.hash(password.0.clone()).await?);
        }
        match change(&pool, owner.user, &changes).await? {
            // its hash is another one since it was shown: of another password, or one that a login has renewed
            Updated::Unproven if attempt < MAX_PROOFS => {}
            updated => return answer(updated),
        }
    }
    unreachable!("the loop returns at its last attempt")
}

async fn change(pool: &MySqlPool, user: UserId, changes: &Changes) -> Result<Updated, DbError> {
    let now = time::now();
    mysql::retry(|_| async {
        let mut tx = mysql::begin(pool, point!("update")).await?;
        let updated = users::update(&mut tx, user, changes, now).await?;
        tx.commit().await?;
        Ok(updated)
    })
    .await
}

fn answer(updated: Updated) -> Result<Json<User>> {
    match updated {
        Updated::Done(user) => Ok(Json(user)),
        Updated::NotFound => Err(codes::USER_NOT_FOUND.into()),
        Updated::EmailTaken => Err(email_taken()),
        Updated::Unproven => Err(codes::WRONG_PASSWORD.into()),
    }
}

/// What became of an account that was closed.
#[derive(Serialize, JsonSchema)]
pub struct Closed {
    message: &'static str,
    /// What was left, and has been paid out.
    paid_out: Money,
}

/// `DELETE /users/{id}`: closes the account.
pub async fn close(owner: Owner, State(ledger): State<Ledger>) -> Result<Json<Closed>> {
    match ledger.close(owner.user, time::now()).await? {
        Closing::Done { paid_out } => Ok(Json(Closed { message: "User deleted successfully", paid_out })),
        Closing::NotFound => Err(codes::USER_NOT_FOUND.into()),
        Closing::Pending => Err(codes::PENDING_TRANSACTIONS.into()),
    }
}
