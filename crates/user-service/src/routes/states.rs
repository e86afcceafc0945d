//! Freezing and locking accounts.

use axum::extract::State;
use common::{
    Result,
    caller::{AccountState, Service},
    extract::{Json, Path},
    request,
};
use money::UserId;
use serde_json::json;
use sqlx::MySqlPool;

use super::fields::Reason;
use crate::{
    app::freeze::change_state,
    store::users::{Accounts, User},
};

request! {
    /// What an account may do with money from now on.
    #[schemars(example = json!({"state": "frozen", "reason": "The owner has lost the phone."}))]
    pub struct NewState {
        state: AccountState,
        /// Why: for those who look at it later. The user does not see it.
        reason: Reason,
    }
}

/// `PUT /users/{id}/state`: freezes, locks or frees an account.
pub async fn update(
    _: Service,
    Path(user): Path<UserId>,
    State(pool): State<MySqlPool>,
    State(accounts): State<Accounts>,
    Json(NewState { state, reason }): Json<NewState>,
) -> Result<Json<User>> {
    Ok(Json(change_state(&pool, &accounts, user, state, reason.0).await?))
}
