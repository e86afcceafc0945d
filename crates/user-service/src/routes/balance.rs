//! Balances, and money that comes in and goes out.

use axum::{extract::State, http::HeaderValue, response::IntoResponse};
use common::{
    ApiError, Result,
    answer::Reply,
    caller::{Owner, Viewer},
    extract::Json,
    headers::REPLAYED,
    idempotency::{IdempotencyKey, KeyedRequest},
    labels::{Labels, Metadata, Reference},
    request,
};
use money::{Amount, Money, UserId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::funder::Funder;
use crate::{
    app::ledger::Ledger,
    codes,
    domain::operation::{Movement, Operation},
    store::users::Accounts,
};

#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({"user_id": 1, "balance": 50_000, "held": 10_000}))]
pub struct Balance {
    user_id: UserId,
    balance: Money,
    held: Money,
}

/// `GET /users/{id}/balance`: what the user can spend, and what is set aside.
pub async fn show(Viewer { user: id, .. }: Viewer, State(accounts): State<Accounts>) -> Result<Json<Balance>> {
    let user = accounts.find(id).await?.ok_or(codes::USER_NOT_FOUND)?;
    Ok(Json(Balance { user_id: id, balance: user.balance, held: user.held }))
}

request! {
    /// How much comes in or goes out.
    #[derive(Serialize)]
    #[schemars(example = json!({"amount": 100_000}))]
    pub struct AmountBody {
        amount: Amount,
        /// Your own name for it, kept with it; it need not be unique.
        #[serde(skip_serializing_if = "Option::is_none")]
        reference: Option<Reference>,
        /// Whatever else you want to keep with it.
        #[serde(skip_serializing_if = "Option::is_none")]
        metadata: Option<Metadata>,
    }
}

/// `POST /users/{id}/topup`: money comes in.
pub async fn top_up(
    Funder(owner): Funder,
    key: IdempotencyKey,
    State(ledger): State<Ledger>,
    Json(body): Json<AmountBody>,
) -> Result<Reply<Json<NewBalance>>> {
    let key = KeyedRequest::new(key, owner.caller, &format!("POST /users/{}/topup", owner.user), &body);
    let movement = Movement::Topup { user_id: owner.user, amount: body.amount };
    change(ledger, owner.user, Operation::requested(key, movement, Labels::of(body.reference, body.metadata))).await
}

/// `POST /users/{id}/debit`: money goes out.
pub async fn debit(
    owner: Owner,
    key: IdempotencyKey,
    State(ledger): State<Ledger>,
    Json(body): Json<AmountBody>,
) -> Result<Reply<Json<NewBalance>>> {
    let key = KeyedRequest::new(key, owner.caller, &format!("POST /users/{}/debit", owner.user), &body);
    let movement = Movement::Debit { user_id: owner.user, amount: body.amount };
    change(ledger, owner.user, Operation::requested(key, movement, Labels::of(body.reference, body.metadata))).await
}

#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({"id": 1, "balance": 150_000}))]
pub struct NewBalance {
    id: UserId,
    balance: Money,
}

/// Posts a change of one balance and answers the new balance.
pub async fn change(ledger: Ledger, user: UserId, operation: Operation) -> Result<Reply<Json<NewBalance>>> {
    let outcome = ledger.post_one(operation).await?;
    let mut response = match (outcome.result, outcome.error()) {
        (Ok(balance), None) => Json(NewBalance { id: user, balance }).into_response(),
        (Err(refusal), None) => ApiError::from(refusal).into_response(),
        (_, Some(error)) => error.into_response(),
    };
    if outcome.replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(Reply::new(response))
}
