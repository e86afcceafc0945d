//! Transactions.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use common::{
    ApiError, Result, TransactionId,
    caller::{Authenticated, Caller, Viewer, Visitor},
    extract::{Json, Path, Query},
    idempotency::{self, IdempotencyKey, KeyedRequest, REPLAYED, fingerprint},
    page::Page,
};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::{
    body::{Body, Create, ListQuery, NewStatus, Update},
    transaction_not_found,
};
use crate::{
    store::lists,
    transfer::{Change, Created, Decided, Decision, Failure, NewTransaction, Request, Status, Transaction, Transfers},
};

/// `POST /transactions`: sets the sender's money aside, or moves it at once with `auto_complete`.
pub async fn create(
    Authenticated(caller): Authenticated,
    key: IdempotencyKey,
    State(transfers): State<Transfers>,
    Json(body): Json<Create>,
) -> Result<Response> {
    let new = NewTransaction::try_from(body)?;
    caller.must_be_one_of(&[new.sender_id])?;
    let request = match KeyedRequest::new(key, caller, "POST /transactions", &new) {
        Some(KeyedRequest { scope, key, fingerprint }) => Request { identity: format!("{scope} {key}"), fingerprint },
        None => Request { identity: format!("once {}", uuid::Uuid::now_v7().simple()), fingerprint: fingerprint(&new) },
    };
    match transfers.create(&new, &request).await? {
        Created::New(row) => Ok(creation(row, new)),
        Created::Before(row) if row.is_being_created() => Err(idempotency::in_progress()),
        Created::Before(row) => {
            let mut response = creation(row, new);
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            Ok(response)
        }
    }
}

/// The answer to a creation: accepted, refused, or not known yet.
fn creation(row: Transaction, new: NewTransaction) -> Response {
    if row.accepted_at.is_some() {
        return (StatusCode::CREATED, Json(Body::as_created(row, new))).into_response();
    }
    match row.failure {
        Some(failure) => refusal(failure).detail("transaction_id", row.id.get()).into_response(),
        None => (StatusCode::ACCEPTED, Json(Body::from(row))).into_response(),
    }
}

fn refusal(failure: Failure) -> ApiError {
    let no_user =
        |field: &str| ApiError::not_found("user_not_found", "There is no such user").field(field, "does not exist");
    match failure {
        Failure::UserNotFound => no_user("sender_id"),
        Failure::ReceiverNotFound => no_user("receiver_id"),
        Failure::InsufficientBalance => ApiError::bad_request("insufficient_balance", "Insufficient balance"),
        Failure::BalanceLimit => ApiError::bad_request("balance_limit", "The receiver's account cannot hold that much"),
        Failure::NotHeld | Failure::ReferenceReused => {
            ApiError::conflict("not_held", "The transaction's money could not be set aside")
        }
        Failure::NotReached => {
            ApiError::unavailable("service_unavailable", "The payment was not made: user-service could not be reached")
        }
    }
}

/// `GET /transactions`: newest first; a user sees its own.
pub async fn list(
    Visitor(caller): Visitor,
    State(pool): State<MySqlPool>,
    page: Page,
    Query(query): Query<ListQuery>,
) -> Result<Response> {
    let filter = query.try_into()?;
    let mut conn = pool.acquire().await?;
    let rows = match caller.only_user() {
        Some(user) => lists::of_user(&mut conn, user, &filter, page.cursor, page.rows()).await?,
        None => lists::all(&mut conn, &filter, page.cursor, page.rows()).await?,
    };
    Ok(answer(page, rows))
}

/// `GET /transactions/user/{user_id}`: those that the user sent or received, newest first.
pub async fn list_of_user(
    Viewer(user): Viewer,
    State(pool): State<MySqlPool>,
    page: Page,
    Query(query): Query<ListQuery>,
) -> Result<Response> {
    let filter = query.try_into()?;
    let rows = lists::of_user(&mut *pool.acquire().await?, user, &filter, page.cursor, page.rows()).await?;
    Ok(answer(page, rows))
}

fn answer(page: Page, rows: Vec<Transaction>) -> Response {
    page.answer(rows.into_iter().map(Body::from).collect(), |body| body.id.get())
}

/// `GET /transactions/{id}`
pub async fn show(
    Visitor(caller): Visitor,
    Path(id): Path<TransactionId>,
    State(transfers): State<Transfers>,
) -> Result<Json<Body>> {
    let row = transfers.find(id).await?.ok_or_else(transaction_not_found)?;
    caller.must_be_one_of(&[row.sender_id, row.receiver_id])?;
    Ok(Json(row.into()))
}

/// `PUT /transactions/{id}`: decides about a pending transaction, or describes it anew.
pub async fn update(
    Visitor(caller): Visitor,
    Path(id): Path<TransactionId>,
    State(transfers): State<Transfers>,
    Json(update): Json<Update>,
) -> Result<Response> {
    let row = changeable(&transfers, caller, id).await?;
    let Some(status) = update.status.or(update.description.is_some().then_some(NewStatus::Pending)) else {
        return Err(ApiError::bad_request("missing_field", "Give at least one of status and description"));
    };
    let description = update.description.map(|d| d.0);
    if let Some(decision) = status.decision() {
        return match transfers.decide(&row, decision, description.as_deref(), false).await? {
            Decided::Stands(row) if row.status == decision.target() => Ok(Json(Body::from(row)).into_response()),
            Decided::Stands(row) if row.status == Status::Processing => {
                Ok((StatusCode::ACCEPTED, Json(Body::from(row))).into_response())
            }
            // the decision stood, and could not be carried out
            Decided::Stands(row) => Err(row.failure.map_or_else(|| illegal_change(&row), refusal)),
            Decided::Lost(row) => Err(illegal_change(&row)),
            Decided::NotFound => Err(transaction_not_found()),
        };
    }
    let still_pending = match description {
        Some(text) => transfers.change(&row, Change::Describe(text)).await?.won,
        None => row.status == Status::Pending,
    };
    let row = transfers.find(id).await?.ok_or_else(transaction_not_found)?;
    if still_pending { Ok(Json(Body::from(row)).into_response()) } else { Err(illegal_change(&row)) }
}

/// `DELETE /transactions/{id}`: cancels it if it is pending, then hides it.
pub async fn delete(
    Visitor(caller): Visitor,
    Path(id): Path<TransactionId>,
    State(transfers): State<Transfers>,
) -> Result<Json<Value>> {
    let row = changeable(&transfers, caller, id).await?;
    let hide =
        async || Ok::<_, ApiError>(transfers.change(&row, Change::Hide).await?.row.is_some_and(|r| r.is_hidden()));
    if !hide().await? {
        match transfers.decide(&row, Decision::Cancel, None, true).await? {
            Decided::Stands(row) if row.is_hidden() => {}
            // it settled between the two looks, or another request cancelled it
            Decided::Stands(_) | Decided::Lost(_) if hide().await? => {}
            Decided::NotFound => return Err(transaction_not_found()),
            Decided::Stands(row) | Decided::Lost(row) => return Err(illegal_change(&row)),
        }
    }
    Ok(Json(json!({"message": "Transaction deleted successfully"})))
}

/// The transaction, if `caller` may change it: its sender may, its receiver may not.
async fn changeable(transfers: &Transfers, caller: Caller, id: TransactionId) -> Result<Transaction> {
    let row = transfers.find(id).await?.ok_or_else(transaction_not_found)?;
    caller.must_be_one_of(&[row.sender_id])?;
    Ok(row)
}

fn illegal_change(row: &Transaction) -> ApiError {
    if row.status == Status::Processing {
        return ApiError::conflict("transaction_in_progress", "The transaction is being processed; try again shortly");
    }
    ApiError::conflict("illegal_status_change", "The transaction's status does not allow this change")
        .detail("status", json!(row.status))
}
