//! Accounts.

use axum::extract::State;
use common::{
    ApiError, Result,
    caller::{Authenticated, Caller, Gatekeeper, Owner, Viewer, Visitor, address::ClientAddress},
    extract::{Json, Query},
    page::{List, Listed},
    reads::ReadPool,
    request,
};
use money::{Email, Money, UserId, time};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::json;
use sqlx::MySqlPool;

use super::fields::FullName;
use crate::{
    app::{
        change::{Wanted, change},
        close::Closing,
        ledger::Ledger,
        lookup::{self, Lookup},
        passwords::{NewPassword, Passwords},
    },
    codes,
    domain::display_name::display_name,
    store::users::{self, Accounts, User},
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
    Ok(Json(accounts.find(id).await?.ok_or(codes::USER_NOT_FOUND)?))
}

request! {
    /// Whose account is looked for.
    pub struct Address {
        /// The address of the account.
        #[schemars(extend("examples" = ["john@example.com"]))]
        email: Email,
    }
}

/// Whom an address belongs to, as far as a payer needs to know.
#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({"id": 2, "display_name": "Jane D."}))]
pub struct Payee {
    id: UserId,
    /// The first word of the name, and the initial of the last one.
    display_name: String,
}

impl Payee {
    /// The account `id`, whose owner has this name.
    pub(super) fn of(id: UserId, full_name: &str) -> Self {
        Self { id, display_name: display_name(full_name) }
    }
}

/// `GET /users/lookup`: whom an address belongs to, so that a person can confirm whom to pay; ten times a minute for each caller.
pub async fn look_up(
    Authenticated(caller): Authenticated,
    State(pool): State<MySqlPool>,
    Query(Address { email }): Query<Address>,
) -> Result<Json<Payee>> {
    match lookup::look_up(&pool, Some(&caller.to_string()), &email).await? {
        Lookup::Found { id, full_name } => Ok(Json(Payee::of(id, &full_name))),
        Lookup::Nobody => Err(ApiError::new(codes::USER_NOT_FOUND).field("email", "belongs to no account")),
        Lookup::TooMany(wait) => Err(ApiError::new(codes::RATE_LIMITED).retry_after(wait)),
    }
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

impl From<Update> for Wanted {
    fn from(Update { full_name, email, password, current_password }: Update) -> Self {
        let (full_name, email) = (full_name.map(|name| name.0), email.map(|email| email.0));
        Self { full_name, email, password, current_password }
    }
}

/// `PUT /users/{id}`: changes what the body names.
pub async fn update(
    owner: Owner,
    ClientAddress(client): ClientAddress,
    State(pool): State<MySqlPool>,
    State(accounts): State<Accounts>,
    State(passwords): State<Passwords>,
    State(gatekeeper): State<Gatekeeper>,
    Json(update): Json<Update>,
) -> Result<Json<User>> {
    let (mode, client) = (gatekeeper.mode(), client.to_string());
    Ok(Json(change(&pool, &accounts, &passwords, mode, owner, update.into(), &client).await?))
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
    let by_operator = !matches!(owner.caller, Caller::User(_));
    match ledger.close(owner.user, by_operator, time::now()).await? {
        Closing::Done { paid_out } => Ok(Json(Closed { message: "User deleted successfully", paid_out })),
        Closing::NotFound => Err(codes::USER_NOT_FOUND.into()),
        Closing::Pending => Err(codes::PENDING_TRANSACTIONS.into()),
        Closing::Refused(refusal) => Err(refusal.into()),
    }
}
