//! Transactions.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use common::{
    ApiError, Result,
    answer::{Accepted, Either, Message, Reply, WithStatus},
    caller::{Authenticated, Caller, Viewer, Visitor},
    dry_run::{DryRun, OrTried},
    extract::{Json, Path, Query},
    headers::REPLAYED,
    idempotency::{IdempotencyKey, KeyedRequest},
    page::{List, Listed},
    reads::ReadPool,
};
use money::{TransactionId, time};
use serde::Serialize;

use super::{
    body::{Body, Create, NewStatus, Update},
    existence::must_exist,
    list_query::ListQuery,
    parties::{ShowQuery, Shown, listed, shown},
    refusals::{illegal_change, lost, not_captured, refused},
    tried::{self, MadeOrTried},
};
use crate::{
    app::{create::Creation, decide::Decided, dry_run::TriedOut, transfers::Transfers},
    codes,
    domain::{
        actor::Actor,
        decision::{Decision, Ruling},
        intent::{NewTransaction, Request},
        receiver::Receiver,
        state::Status,
        step::Exceeded,
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
    DryRun(dry_run): DryRun,
    key: IdempotencyKey,
    State(transfers): State<Transfers>,
    Json(body): Json<Create>,
) -> Result<MadeOrTried> {
    let (key, receiver) = (key.unless(dry_run), body.receiver()?);
    caller.must_be_one_of(&[body.sender_id])?;
    let id = match &receiver {
        Receiver::Id(id) => *id,
        Receiver::Address(email) => {
            let known = Request::identity_of(&key, caller, ROUTE);
            Box::pin(transfers.receiver(email, caller, known)).await? // boxed, like all that is rare: see Transfers::create
        }
    };
    let new = body.transaction(id)?;
    let request = request_of(key, caller, ROUTE, &receiver.asked(&new));
    if let Some(at) = new.execute_at
        && !Box::pin(transfers.is_known(&request)).await?
    {
        if !can_begin_at(at, time::now()) {
            return Err(ApiError::invalid("execute_at", "must be within a year from now"));
        }
        Box::pin(must_exist(&transfers, &new)).await?;
    }
    if dry_run {
        let asks = caller.only_user().unwrap_or(new.sender_id);
        return tried::creation(Box::pin(transfers.try_create(new, asks)).await?);
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
    Request::of(KeyedRequest::new(key, caller, route, what).as_ref(), what)
}

/// The answer to a request that creates a transaction.
pub(super) fn answer(creation: Creation) -> Result<MadeOrTried> {
    answer_with(creation, |row, new| created(row, new, None))
}

/// The same, where `created` says what a transaction is answered as.
pub(super) fn answer_with<T>(
    creation: Creation,
    created: impl FnOnce(Transaction, NewTransaction) -> Response,
) -> Result<Reply<T>> {
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
    match refused(&row, exceeded) {
        Some(error) => error.detail("transaction_id", row.id.get()).into_response(),
        None => WithStatus::<202, _>(Body::from(row)).into_response(),
    }
}

/// `GET /transactions`: newest first; a user sees its own.
pub async fn list(
    Visitor { caller, since, .. }: Visitor,
    State(reads): State<ReadPool>,
    State(zone): State<Tz>,
    State(transfers): State<Transfers>,
    List(page, query): List<ListQuery>,
) -> Result<Listed<Shown>> {
    let query = if caller.only_user().is_some() { query } else { query.of_everybody()? };
    let (expand, filter) = (query.expand, query.filter(zone, since));
    let mut conn = reads.acquire_for(caller.only_user()).await?;
    let found = match caller.only_user() {
        Some(user) => lists::of_user(&mut conn, user, &filter, page.cursor, page.rows()).await?,
        None => lists::all(&mut conn, &filter, page.cursor, page.rows()).await?,
    };
    drop(conn);
    listed(&transfers, page, found, expand).await
}

/// `GET /transactions/user/{user_id}`: those that the user sent or received, newest first.
pub async fn list_of_user(
    Viewer { user, since }: Viewer,
    State(reads): State<ReadPool>,
    State(zone): State<Tz>,
    State(transfers): State<Transfers>,
    List(page, query): List<ListQuery>,
) -> Result<Listed<Shown>> {
    let (expand, filter) = (query.expand, query.filter(zone, since));
    let mut conn = reads.acquire_for(Some(user)).await?;
    let found = lists::of_user(&mut conn, user, &filter, page.cursor, page.rows()).await?;
    drop(conn);
    listed(&transfers, page, found, expand).await
}

/// `GET /transactions/{id}`
pub async fn show(
    visitor: Visitor,
    Path(id): Path<TransactionId>,
    Query(ShowQuery { expand }): Query<ShowQuery>,
    State(transfers): State<Transfers>,
) -> Result<Json<Shown>> {
    let (row, _) = visible(&transfers, &visitor, id).await?;
    shown(&transfers, row.seen_by(visitor.caller.only_user()), expand).await
}

/// `PUT /transactions/{id}`: completes, cancels or fails a pending transaction, or changes its description. The receiver may
/// decline it.
pub async fn update(
    visitor: Visitor,
    Path(id): Path<TransactionId>,
    DryRun(dry_run): DryRun,
    State(transfers): State<Transfers>,
    Json(update): Json<Update>,
) -> Result<Reply<Either<Json<OrTried<Body>>, Accepted<Body>>>> {
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
    if dry_run {
        let asks = visitor.caller.only_user().unwrap_or(row.sender_id);
        return match decision {
            Some(decision) => {
                let ruling = Ruling { description, ..Ruling::by(actor, decision) };
                let TriedOut { outcome, standing } = transfers.try_decide(&row, ruling, asks).await?;
                decided(decision, outcome).map(|(status, row)| tried::answer(status, body(row), standing))
            }
            None => tried::description(&transfers, row, description, asks).await,
        };
    }
    if let Some(decision) = decision {
        let ruling = Ruling { description, ..Ruling::by(actor, decision) };
        let (status, row) = decided(decision, transfers.decide(&row, ruling).await?)?;
        return Ok(Reply::new((status, Json(body(row)))));
    }
    let still_pending = match description {
        Some(text) => transfers.change(&row, Transition::Describe(text)).await?.won,
        None => row.status() == Status::Pending,
    };
    let row = transfers.find(id).await?.ok_or(codes::TRANSACTION_NOT_FOUND)?;
    if still_pending { Ok(Reply::new(Json(body(row)))) } else { Err(illegal_change(&row)) }
}

/// What became of a decision, as it is answered.
fn decided(decision: Decision, decided: Decided) -> Result<(StatusCode, Transaction)> {
    match decided {
        Decided::Made(row) => Ok((StatusCode::OK, row)),
        Decided::Stands(row) if row.status() == Status::Processing => Ok((StatusCode::ACCEPTED, row)),
        // the decision stood, and could not be carried out
        Decided::Stands(row) => Err(match decision {
            Decision::Capture(_) => not_captured(&row),
            _ => illegal_change(&row),
        }),
        Decided::Lost(row) => Err(lost(decision, &row)),
        Decided::NotFound => Err(codes::TRANSACTION_NOT_FOUND.into()),
    }
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
            Decided::Made(row) | Decided::Stands(row) if row.is_hidden_from(actor) => {}
            // it settled between the two looks, or another request cancelled it
            Decided::Stands(_) | Decided::Made(_) | Decided::Lost(_) if hide().await? => {}
            Decided::NotFound => return Err(codes::TRANSACTION_NOT_FOUND.into()),
            Decided::Stands(row) | Decided::Made(row) | Decided::Lost(row) => return Err(illegal_change(&row)),
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
