//! Balances, and money that comes in and goes out.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use common::{
    ApiError, Result,
    answer::Reply,
    caller::{Owner, Viewer},
    dry_run::{DryRun, OrTried, Tried},
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

use super::{funder::Funder, limits::standing};
use crate::{
    app::ledger::{Ledger, TriedOut},
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
    DryRun(dry_run): DryRun,
    key: IdempotencyKey,
    State(ledger): State<Ledger>,
    Json(body): Json<AmountBody>,
) -> Result<Reply<Json<OrTried<NewBalance>>>> {
    let key = KeyedRequest::new(key.unless(dry_run), owner.caller, &format!("POST /users/{}/topup", owner.user), &body);
    let movement = Movement::Topup { user_id: owner.user, amount: body.amount };
    let operation = Operation::requested(key, movement, Labels::of(body.reference, body.metadata));
    change_or_try(ledger, owner.user, operation, dry_run).await
}

/// `POST /users/{id}/debit`: money goes out.
pub async fn debit(
    owner: Owner,
    DryRun(dry_run): DryRun,
    key: IdempotencyKey,
    State(ledger): State<Ledger>,
    Json(body): Json<AmountBody>,
) -> Result<Reply<Json<OrTried<NewBalance>>>> {
    let key = KeyedRequest::new(key.unless(dry_run), owner.caller, &format!("POST /users/{}/debit", owner.user), &body);
    let movement = Movement::Debit { user_id: owner.user, amount: body.amount };
    let operation = Operation::requested(key, movement, Labels::of(body.reference, body.metadata));
    change_or_try(ledger, owner.user, operation, dry_run).await
}

#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({"id": 1, "balance": 150_000}))]
pub struct NewBalance {
    id: UserId,
    balance: Money,
}

async fn change_or_try(
    ledger: Ledger,
    user: UserId,
    operation: Operation,
    dry_run: bool,
) -> Result<Reply<Json<OrTried<NewBalance>>>> {
    if !dry_run {
        return change(ledger, user, operation).await.map(Reply::new);
    }
    let TriedOut { outcomes, account } = ledger.try_out(&[operation], user).await?;
    let outcome = outcomes[0];
    match outcome.result {
        Ok(balance) => {
            let standing = account.map(|account| standing(user, account));
            Ok(Reply::new(Tried::new(StatusCode::OK, &NewBalance { id: user, balance }, Money::ZERO, standing)))
        }
        Err(refusal) => Err(outcome.error().unwrap_or_else(|| refusal.into())),
    }
}

/// Posts a change of one balance and answers the new balance.
pub async fn change(ledger: Ledger, user: UserId, operation: Operation) -> Result<Response> {
    let outcome = ledger.post_one(operation).await?;
    let mut response = match (outcome.result, outcome.error()) {
        (Ok(balance), None) => Json(NewBalance { id: user, balance }).into_response(),
        (Err(refusal), None) => ApiError::from(refusal).into_response(),
        (_, Some(error)) => error.into_response(),
    };
    if outcome.replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}
