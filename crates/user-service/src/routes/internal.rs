//! Routes for the other services.

use axum::{extract::State, response::Response};
use common::{
    Amount, ApiError, Result, UserId,
    caller::{Caller, Service},
    extract::{Json, Path, Query},
    idempotency::{IdempotencyKey, KeyedRequest},
    page::{ListQuery, Page},
};
use serde::{Deserialize, Serialize};
use sqlx::MySqlPool;

use super::{balance, user_not_found};
use crate::{
    ledger::{Ledger, Movement, Operation, Outcome, Refusal, Verification},
    store::users::{self, User},
};

/// The most operations that one call may ask for.
const MAX_OPERATIONS: usize = 1000;
/// The longest remark on a change of balance, in characters.
const MAX_NOTE: usize = 255;

/// `GET /internal/users`: every account by id, page by page.
pub async fn list(
    _: Service,
    State(pool): State<MySqlPool>,
    page: Page,
    Query(ListQuery { .. }): Query<ListQuery>,
) -> Result<Response> {
    let found = users::list(&mut *pool.acquire().await?, None, page.cursor, page.rows()).await?;
    Ok(page.answer(found, |user| user.id.get()))
}

/// `GET /internal/users/{id}`
pub async fn show(_: Service, Path(id): Path<UserId>, State(pool): State<MySqlPool>) -> Result<Json<User>> {
    users::find(&mut *pool.acquire().await?, id).await?.map(Json).ok_or_else(user_not_found)
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Debit,
    Credit,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalanceChange {
    action: Action,
    amount: Amount,
    reference: Option<String>,
}

/// `PUT /internal/users/{id}/balance`: debits or credits on behalf of another service.
pub async fn change_balance(
    _: Service,
    Path(user_id): Path<UserId>,
    key: IdempotencyKey,
    State(ledger): State<Ledger>,
    Json(body): Json<BalanceChange>,
) -> Result<Response> {
    let route = format!("PUT /internal/users/{user_id}/balance");
    let key = KeyedRequest::new(key, Caller::Service, &route, &body);
    let movement = match body.action {
        Action::Debit => Movement::Debit { user_id, amount: body.amount },
        Action::Credit => Movement::Credit { user_id, amount: body.amount },
    };
    let note = body.reference.map(|text| common::text::parse(&text, 1..=MAX_NOTE)).transpose();
    let note = note.map_err(|phrase| ApiError::invalid("reference", phrase))?;
    balance::change(ledger, user_id, Operation::requested(key, movement, note)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operations {
    operations: Vec<Movement>,
}

#[derive(Serialize)]
pub struct Outcomes {
    outcomes: Vec<OutcomeBody>,
}

#[derive(Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum OutcomeBody {
    Applied,
    Refused { code: Refusal },
}

/// `POST /internal/operations`: steps of transactions, each with its own identity (transaction and verb), each applied
/// or refused alone. Asked again, a step is answered again.
pub async fn execute(
    _: Service,
    State(ledger): State<Ledger>,
    Json(Operations { operations }): Json<Operations>,
) -> Result<Json<Outcomes>> {
    if operations.is_empty() || operations.len() > MAX_OPERATIONS {
        return Err(ApiError::invalid("operations", format!("must be a list of 1 to {MAX_OPERATIONS}")));
    }
    let steps = operations.into_iter().map(|movement| match (movement, movement.transaction()) {
        (Movement::Hold(transfer) | Movement::Transfer(transfer), _) if transfer.sender_id == transfer.receiver_id => {
            Err(ApiError::invalid("operations.receiver_id", "must be another user than the sender"))
        }
        (_, Some(transaction)) => Ok(Operation::step(transaction, movement)),
        (_, None) => Err(ApiError::invalid("operations", "must be hold, transfer, capture or release")),
    });
    let steps = steps.collect::<Result<Vec<_>>>()?;
    let posted = ledger.post(steps).await?;
    let body = |outcome: Outcome| match outcome.result {
        Ok(_) => OutcomeBody::Applied,
        Err(code) => OutcomeBody::Refused { code },
    };
    Ok(Json(Outcomes { outcomes: posted.into_iter().map(body).collect() }))
}

/// `GET /internal/ledger/verify`: proves the ledger's invariants.
pub async fn verify(_: Service, State(ledger): State<Ledger>) -> Result<Json<Verification>> {
    Ok(Json(ledger.verify().await?))
}
