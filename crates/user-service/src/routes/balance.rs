//! Balances, and money that comes in and goes out.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use common::{
    Amount, ApiError, Money, Result, UserId,
    caller::{Owner, Viewer},
    extract::Json,
    idempotency::{IdempotencyKey, KeyedRequest, REPLAYED},
};
use serde::{Deserialize, Serialize};

use super::user_not_found;
use crate::{
    ledger::{Ledger, Movement, Operation, Outcome},
    store::users::Accounts,
};

#[derive(Serialize)]
pub struct Balance {
    user_id: UserId,
    balance: Money,
    held: Money,
}

/// `GET /users/{id}/balance`: what the user can spend, and what is set aside.
pub async fn show(Viewer(id): Viewer, State(accounts): State<Accounts>) -> Result<Json<Balance>> {
    let user = accounts.find(id).await?.ok_or_else(user_not_found)?;
    Ok(Json(Balance { user_id: id, balance: user.balance, held: user.held }))
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmountBody {
    amount: Amount,
}

/// `POST /users/{id}/topup`: money comes in.
pub async fn top_up(
    owner: Owner,
    key: IdempotencyKey,
    State(ledger): State<Ledger>,
    Json(body): Json<AmountBody>,
) -> Result<Response> {
    let key = KeyedRequest::new(key, owner.caller, &format!("POST /users/{}/topup", owner.user), &body);
    let movement = Movement::Topup { user_id: owner.user, amount: body.amount };
    change(ledger, owner.user, Operation::requested(key, movement, None)).await
}

/// `POST /users/{id}/debit`: money goes out.
pub async fn debit(
    owner: Owner,
    key: IdempotencyKey,
    State(ledger): State<Ledger>,
    Json(body): Json<AmountBody>,
) -> Result<Response> {
    let key = KeyedRequest::new(key, owner.caller, &format!("POST /users/{}/debit", owner.user), &body);
    let movement = Movement::Debit { user_id: owner.user, amount: body.amount };
    change(ledger, owner.user, Operation::requested(key, movement, None)).await
}

#[derive(Serialize)]
struct NewBalance {
    id: UserId,
    balance: Money,
}

/// Posts a change of one balance and answers the new balance.
pub async fn change(ledger: Ledger, user: UserId, operation: Operation) -> Result<Response> {
    let Outcome { result, replayed } = ledger.post_one(operation).await?;
    let mut response = match result {
        Ok(balance) => (StatusCode::OK, Json(NewBalance { id: user, balance })).into_response(),
        Err(refusal) => ApiError::from(refusal).into_response(),
    };
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}
