//! Accounts.

use axum::extract::State;
use common::{
    Code, Result,
    caller::{Owner, Viewer, Visitor},
    db,
    extract::Json,
    http::api::Message,
    page::{List, Listed},
    point,
    reads::ReadPool,
    request, time,
};
use serde_json::json;
use sqlx::MySqlPool;

use super::{
    email_taken,
    fields::{Email, FullName},
};
use crate::{
    ledger::{Closing, Ledger},
    password::{NewPassword, Passwords},
    store::users::{self, Accounts, Changes, Updated, User},
};

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
    Ok(Json(accounts.find(id).await?.ok_or(Code::UserNotFound)?))
}

request! {
    /// What is to change of an account.
    #[schemars(example = json!({"full_name": "John Updated"}))]
    pub struct Update {
        full_name: Option<FullName>,
        email: Option<Email>,
        password: Option<NewPassword>,
    }
}

/// `PUT /users/{id}`: changes what the body names.
pub async fn update(
    owner: Owner,
    State(pool): State<MySqlPool>,
    State(passwords): State<Passwords>,
    Json(update): Json<Update>,
) -> Result<Json<User>> {
    if update.full_name.is_none() && update.email.is_none() && update.password.is_none() {
        return Err(Code::NothingToChange.into());
    }
    let password_hash = match update.password {
        Some(password) => Some(passwords.enter()?.hash(password.0).await?),
        None => None,
    };
    let changes = Changes { full_name: update.full_name.map(|n| n.0), email: update.email.map(|e| e.0), password_hash };
    let now = time::now();
    let updated = db::retry(|_| async {
        let mut tx = db::begin(&pool, point!("update")).await?;
        let updated = users::update(&mut tx, owner.user, &changes, now).await?;
        tx.commit().await?;
        Ok(updated)
    });
    match updated.await? {
        Updated::Done(user) => Ok(Json(user)),
        Updated::NotFound => Err(Code::UserNotFound.into()),
        Updated::EmailTaken => Err(email_taken()),
    }
}

/// `DELETE /users/{id}`: closes the account.
pub async fn close(owner: Owner, State(ledger): State<Ledger>) -> Result<Json<Message>> {
    match ledger.close(owner.user, time::now()).await? {
        Closing::Done => Ok(Json(Message { message: "User deleted successfully" })),
        Closing::NotFound => Err(Code::UserNotFound.into()),
        Closing::Pending => Err(Code::PendingTransactions.into()),
    }
}
