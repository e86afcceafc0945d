//! Transactions.

use axum::{
    extract::State,
    http::HeaderValue,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use common::{
    ApiError, Result,
    answer::{Accepted, Created, Either, Message, Reply, WithStatus},
    caller::{Authenticated, Caller, Viewer, Visitor},
    extract::{Json, Path},
    headers::REPLAYED,
    idempotency::{IdempotencyKey, KeyedRequest, fingerprint},
    page::{List, Listed},
    reads::ReadPool,
};
use money::{TransactionId, time};
use serde::Serialize;
use serde_json::json;

use super::{
    body::{Body, Create, NewStatus, Update},
    list_query::ListQuery,
};
use crate::{
    app::{create::Creation, decide::Decided, transfers::Transfers},
    codes,
    domain::{
        actor::Actor,
        decision::{Decision, Ruling},
        intent::{NewTransaction, Request},
        receiver::Receiver,
        state::Status,
        step::{Exceeded, Failure},
        transaction::Transaction,
        transition::Transition,
    },
    store::lists,
};

/// The route that creates transactions, as their requests are known by it.
const ROUTE: &str = "POST /transactions";
/// How far ahead a transaction may be scheduled.
const MAX_WAIT: TimeDelta = TimeDelta::days(366);

/// `POST /transactions`: sets the sender's money aside, or moves it at once with `auto_complete`; with `execute_at` it does so then.
pub async fn create(
    Authenticated(caller): Authenticated,
    key: IdempotencyKey,
    State(transfers): State<Transfers>,
    Json(body): Json<Create>,
) -> Result<Reply<Either<Created<Body>, Accepted<Body>>>> {
    let receiver = body.receiver()?;
    caller.must_be_one_of(&[body.sender_id])?;
    let id = match &receiver {
        Receiver::Id(id) => *id,
        Receiver::Address(email) => {
            transfers.receiver(email, caller, Request::identity_of(&key, caller, ROUTE)).await?
        }
    };
    let new = body.transaction(id)?;
    let request = request_of(key, caller, ROUTE, &receiver.asked(&new));
    if let Some(at) = new.execute_at
        && !can_begin_at(at, time::now())
        && !transfers.is_known(&request).await?
    {
        return Err(ApiError::invalid("execute_at", "must be within a year from now"));
    }
    let creation = transfers.create(new, &request).await?;
    let exceeded = transfers.exceeded(&creation).await;
    answer_with(creation, |row, new| created(row, new, exceeded))
}

/// True if a transaction that is made `now` may begin at that moment.
fn can_begin_at(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    (now..=now + MAX_WAIT).contains(&at)
}

/// The request of `caller` to `route` for `what`, which is one of its kind without a key.
pub(super) fn request_of(key: IdempotencyKey, caller: Caller, route: &str, what: &impl Serialize) -> Request {
    match KeyedRequest::new(key, caller, route, what) {
        Some(keyed) => Request::from(&keyed),
        None => Request { identity: format!("once {}", uuid::Uuid::now_v7().simple()), fingerprint: fingerprint(what) },
    }
}

/// The answer to a request that creates a transaction.
pub(super) fn answer(creation: Creation) -> Result<Reply<Either<Created<Body>, Accepted<Body>>>> {
    answer_with(creation, |row, new| created(row, new, None))
}

/// The same, where `created` says what a transaction is answered as.
pub(super) fn answer_with(
    creation: Creation,
    created: impl FnOnce(Transaction, NewTransaction) -> Response,
) -> Result<Reply<Either<Created<Body>, Accepted<Body>>>> {
    match creation {
        Creation::New(row, new) => Ok(Reply::new(created(row, new))),
        Creation::Before(row, new) if row.is_being_created() && new.execute_at.is_none() => {
            Err(codes::REQUEST_IN_PROGRESS.into())
        }
        Creation::Before(row, new) => {
            let mut response = created(row, new);
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            Ok(Reply::new(response))
        }
    }
}

/// A transaction as its creation is answered: accepted, scheduled, refused, or not known yet.
pub(super) fn created(row: Transaction, new: NewTransaction, exceeded: Option<Exceeded>) -> Response {
    if row.accepted_at.is_some() || new.execute_at.is_some() {
        return WithStatus::<201, _>(Body::as_created(row, new)).into_response();
    }
    match row.state.failure() {
        // a payer who has closed the account is nobody whom a refund could look for
        Some(Failure::ReceiverNotFound) if row.refund_of.is_some() => {
            ApiError::new(codes::RECEIVER_UNAVAILABLE).detail("transaction_id", row.id.get()).into_response()
        }
        Some(failure) => {
            let error = refusal(failure).detail("transaction_id", row.id.get());
            match exceeded {
                Some(Exceeded { limit, remaining, resets_at }) => error
                    .detail("limit", limit)
                    .detail("remaining", json!(remaining))
                    .detail("resets_at", json!(resets_at.map(time::written))),
                None => error,
            }
            .into_response()
        }
        None => WithStatus::<202, _>(Body::from(row)).into_response(),
    }
}

pub(super) fn refusal(failure: Failure) -> ApiError {
    let no_user = |field: &str| ApiError::new(codes::USER_NOT_FOUND).field(field, "does not exist");
    match failure {
        Failure::UserNotFound => no_user("sender_id"),
        Failure::ReceiverNotFound => no_user("receiver_id"),
        Failure::InsufficientBalance => ApiError::new(codes::INSUFFICIENT_BALANCE),
        Failure::LimitExceeded => ApiError::new(codes::LIMIT_EXCEEDED),
        Failure::AccountFrozen => ApiError::new(codes::ACCOUNT_FROZEN),
        Failure::AccountLocked => ApiError::new(codes::ACCOUNT_LOCKED),
        Failure::ReceiverUnavailable => ApiError::new(codes::RECEIVER_UNAVAILABLE),
        Failure::NotHeld | Failure::ReferenceReused => ApiError::new(codes::NOT_HELD),
        Failure::ExceedsRefundable => ApiError::new(codes::EXCEEDS_REFUNDABLE),
        Failure::NotReached => ApiError::new(codes::SERVICE_UNAVAILABLE),
    }
}

/// `GET /transactions`: newest first; a user sees its own.
pub async fn list(
    Visitor { caller, since, .. }: Visitor,
    State(reads): State<ReadPool>,
    State(zone): State<Tz>,
    List(page, query): List<ListQuery>,
) -> Result<Listed<Body>> {
    let query = if caller.only_user().is_some() { query } else { query.of_everybody()? };
    let filter = query.filter(zone, since);
    let mut conn = reads.acquire_for(caller.only_user()).await?;
    let found = match caller.only_user() {
        Some(user) => lists::of_user(&mut conn, user, &filter, page.cursor, page.rows()).await?,
        None => lists::all(&mut conn, &filter, page.cursor, page.rows()).await?,
    };
    Ok(page.answer(found, |row| row.id.get()))
}

/// `GET /transactions/user/{user_id}`: those that the user sent or received, newest first.
pub async fn list_of_user(
    Viewer { user, since }: Viewer,
    State(reads): State<ReadPool>,
    State(zone): State<Tz>,
    List(page, query): List<ListQuery>,
) -> Result<Listed<Body>> {
    let filter = query.filter(zone, since);
    let mut conn = reads.acquire_for(Some(user)).await?;
    let found = lists::of_user(&mut conn, user, &filter, page.cursor, page.rows()).await?;
    Ok(page.answer(found, |row| row.id.get()))
}

/// `GET /transactions/{id}`
pub async fn show(
    visitor: Visitor,
    Path(id): Path<TransactionId>,
    State(transfers): State<Transfers>,
) -> Result<Json<Body>> {
    let (row, _) = visible(&transfers, &visitor, id).await?;
    Ok(Json(row.seen_by(visitor.caller.only_user()).into()))
}

/// `PUT /transactions/{id}`: completes, cancels or fails a pending transaction, or changes its description. The receiver may
/// decline it.
pub async fn update(
    visitor: Visitor,
    Path(id): Path<TransactionId>,
    State(transfers): State<Transfers>,
    Json(update): Json<Update>,
) -> Result<Reply<Either<Json<Body>, Accepted<Body>>>> {
    let (row, actor) = visible(&transfers, &visitor, id).await?;
    if update.amount.is_some() && update.status != Some(NewStatus::Completed) {
        return Err(ApiError::invalid("amount", "can only stand with the status completed"));
    }
    let decision = update.status.and_then(|status| status.decision(update.amount));
    let body = |row: Transaction| Body::from(row.seen_by(visitor.caller.only_user()));
    if actor.is_receiver() && (update.description.is_some() || !decision.is_some_and(|d| d.is_open_to(actor))) {
        return Err(codes::FORBIDDEN.into());
    }
    if update.status.is_none() && update.description.is_none() {
        return Err(codes::NOTHING_TO_CHANGE.into());
    }
    let description = update.description.map(|d| d.0);
    if let Some(decision) = decision {
        return match transfers.decide(&row, Ruling { description, ..Ruling::by(actor, decision) }).await? {
            Decided::Stands(row) if row.status() == Status::Processing => {
                Ok(Reply::new(WithStatus::<202, _>(body(row))))
            }
            Decided::Stands(row) if decision.agrees_with(&row) => Ok(Reply::new(Json(body(row)))),
            // the decision stood, and could not be carried out
            Decided::Stands(row) => Err(row.state.failure().map_or_else(|| illegal_change(&row), refusal)),
            Decided::Lost(row) => Err(lost(decision, &row)),
            Decided::NotFound => Err(codes::TRANSACTION_NOT_FOUND.into()),
        };
    }
    let still_pending = match description {
        Some(text) => transfers.change(&row, Transition::Describe(text)).await?.won,
        None => row.status() == Status::Pending,
    };
    let row = transfers.find(id).await?.ok_or(codes::TRANSACTION_NOT_FOUND)?;
    if still_pending { Ok(Reply::new(Json(body(row)))) } else { Err(illegal_change(&row)) }
}

/// `DELETE /transactions/{id}`: cancels it if it is pending, then hides it: from a party that asks, or from everybody.
pub async fn delete(
    visitor: Visitor,
    Path(id): Path<TransactionId>,
    State(transfers): State<Transfers>,
) -> Result<Json<Message>> {
    let (row, actor) = visible(&transfers, &visitor, id).await?;
    let hide = async || {
        let row = transfers.change(&row, Transition::Hide(actor)).await?.row;
        Ok::<_, ApiError>(row.is_some_and(|row| row.is_hidden_from(actor)))
    };
    if !hide().await? {
        let ruling = Ruling { hide: Some(actor), ..Ruling::by(actor, Decision::Cancel) };
        match transfers.decide(&row, ruling).await? {
            Decided::Stands(row) if row.is_hidden_from(actor) => {}
            // it settled between the two looks, or another request cancelled it
            Decided::Stands(_) | Decided::Lost(_) if hide().await? => {}
            Decided::NotFound => return Err(codes::TRANSACTION_NOT_FOUND.into()),
            Decided::Stands(row) | Decided::Lost(row) => return Err(illegal_change(&row)),
        }
    }
    Ok(Json(Message { message: "Transaction deleted successfully" }))
}

/// The transaction as its visitor sees it, and what the visitor is to it.
pub(super) async fn visible(
    transfers: &Transfers,
    visitor: &Visitor,
    id: TransactionId,
) -> Result<(Transaction, Actor)> {
    let row = transfers.find(id).await?.ok_or(codes::TRANSACTION_NOT_FOUND)?;
    visitor.must_be_a_party(&row.parties(), row.created_at, codes::TRANSACTION_NOT_FOUND)?;
    let actor = Actor::of(visitor.caller, &row);
    if row.is_hidden_from(actor) { Err(codes::TRANSACTION_NOT_FOUND.into()) } else { Ok((row, actor)) }
}

/// Why `decision` is not possible as `row` stands.
pub(super) fn lost(decision: Decision, row: &Transaction) -> ApiError {
    match decision {
        Decision::Capture(capture) if row.status() == Status::Pending && capture.within(row.left()).is_none() => {
            ApiError::new(codes::EXCEEDS_REMAINING).detail("remaining", json!(row.left()))
        }
        _ => illegal_change(row),
    }
}

fn illegal_change(row: &Transaction) -> ApiError {
    if row.status() == Status::Processing {
        return ApiError::new(codes::TRANSACTION_IN_PROGRESS);
    }
    ApiError::new(codes::ILLEGAL_STATUS_CHANGE).detail("status", json!(row.status()))
}
