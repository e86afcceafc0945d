//! Payments that are made together.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode},
    response::IntoResponse,
};
use chrono::{DateTime, Utc};
use common::{
    ApiError, Result,
    answer::{Accepted, Created, Either, Reply, WithStatus},
    caller::{Authenticated, Caller, Visitor},
    dry_run::{OrTried, Tried},
    extract::{Json, Path, Query},
    headers::REPLAYED,
    idempotency::IdempotencyKey,
    origin::Origin,
};
use futures::{StreamExt, TryStreamExt, stream};
use money::{BatchId, Email, Money, TransactionId, UserId, time};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::{
    batch_body::{CsvQuery, Drafts, Given, Place},
    body::Create,
    existence::refuse_unknown,
    refusals::refused,
    transactions::request_of,
};
use crate::{
    app::{batch::Made, dry_run::TriedOut, transfers::Transfers},
    codes,
    domain::{
        batch::{Batch, BatchStatus, Fault, Item, MAX_RECEIVERS, NewBatch},
        intent::NewTransaction,
        receiver::Receiver,
        state::Status,
        step::Exceeded,
    },
};

/// Addresses that are looked up at the same time.
const LOOKUPS: usize = 16;

/// A batch as it is answered.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Batch", example = json!({
    "id": 7,
    "atomic": false,
    "status": "partly_completed",
    "results": [
        {"status": "completed", "transaction_id": 10},
        {"status": "failed", "code": "invalid_amount", "fields": {"amount": "must be greater than 0"}},
    ],
}))]
pub struct Body {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "BatchId")]
    id: Option<BatchId>,
    /// Whether all of it is made or none.
    atomic: bool,
    status: BatchStatus,
    /// What each item has come to, in order.
    results: Vec<ItemBody>,
}

/// What an item has come to.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BatchItem")]
struct ItemBody {
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_id: Option<TransactionId>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// What is wrong with each field.
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<BTreeMap<String, String>>,
    /// Of `limit_exceeded`, as long as it is known: which limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<String>,
    /// What may still be paid within it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<Money>,
    /// When that limit resets; absent for `per_transaction`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "time::serialize_written")]
    resets_at: Option<DateTime<Utc>>,
}

impl From<Item> for ItemBody {
    fn from(item: Item) -> Self {
        let (status, transaction_id) = (item.status(), item.transaction());
        let (fault, exceeded) = match item {
            Item::Faulty(fault) => (Some(fault), None),
            Item::Made(row, exceeded) => (refused(&row, None).as_ref().map(Fault::from), exceeded),
        };
        let (code, fields) = fault.map(|Fault { code, fields }| (code, fields)).unzip();
        let (limit, remaining, resets_at) = match exceeded {
            Some(Exceeded { limit, remaining, resets_at }) => (Some(limit), Some(remaining), resets_at),
            None => (None, None, None),
        };
        let fields = fields.filter(|fields| !fields.is_empty());
        Self { status, transaction_id, code, fields, limit, remaining, resets_at }
    }
}

impl Body {
    fn new(batch: &Batch, items: Vec<Item>) -> Self {
        let status = BatchStatus::of(&items);
        Self {
            id: Some(batch.id),
            atomic: batch.is_atomic,
            status,
            results: items.into_iter().map(ItemBody::from).collect(),
        }
    }
}

/// `POST /transactions/batch`: makes up to 1,000 payments, each for itself, or all or none.
pub async fn create(
    Authenticated(caller): Authenticated,
    key: IdempotencyKey,
    State(transfers): State<Transfers>,
    Query(query): Query<CsvQuery>,
    given: Given,
) -> Result<Reply<Either<Created<OrTried<Body>>, Accepted<Body>>>> {
    let Drafts { is_atomic, items, asked } = given.drafts(caller, &query)?;
    let paid = items.iter().filter_map(|(_, draft)| draft.as_ref().ok()).map(Create::receivers);
    if paid.sum::<usize>() > MAX_RECEIVERS {
        let error = ApiError::new(codes::TOO_MANY_ITEMS).detail("limit", MAX_RECEIVERS);
        return Err(error.field("transactions", format!("must have at most {MAX_RECEIVERS} receivers together")));
    }
    let request = request_of(key, caller, "POST /transactions/batch", &asked);
    let dry_run = query.dry_run.unwrap_or(false);
    if !dry_run && let Some(made) = transfers.batch_of(&request.identity, &request.fingerprint).await? {
        return Ok(answer(made));
    }
    let receivers = receivers(&transfers, caller, &items).await?;
    let mut items: Vec<(Place, Result<NewTransaction>)> = items
        .into_iter()
        .map(|(place, draft)| (place, draft.and_then(|draft| transaction(caller, draft, &receivers))))
        .collect();
    if is_atomic {
        refuse_unknown(&transfers, &mut items).await?;
        refuse_faulty(&items)?;
    }
    let item = |(place, item): (Place, Result<NewTransaction>)| item.map_err(|error| Fault::from(&place.alone(&error)));
    let items = items.into_iter().map(item).collect();
    let actor = Origin::current().actor().to_owned();
    let new = NewBatch { request, actor, is_atomic, items };
    if dry_run {
        return tried(is_atomic, transfers.try_batch(new, caller.only_user()).await?);
    }
    Ok(answer(transfers.make_batch(new).await?))
}

/// The answer for a batch that would be made, or refused.
fn tried<T>(is_atomic: bool, TriedOut { outcome: items, standing }: TriedOut<Vec<Item>>) -> Result<Reply<T>> {
    if let Some(error) = refused_whole(is_atomic, &items) {
        return Err(error);
    }
    let status = BatchStatus::of(&items);
    let results = items.into_iter().map(|item| ItemBody { transaction_id: None, ..ItemBody::from(item) }).collect();
    let body = Body { id: None, atomic: is_atomic, status, results };
    Ok(Reply::new(Tried::new(StatusCode::CREATED, &body, Money::ZERO, standing)))
}

/// The accounts with the addresses that `caller` wants to pay; an address without one has none here.
async fn receivers(
    transfers: &Transfers,
    caller: Caller,
    items: &[(Place, Result<Create>)],
) -> Result<HashMap<String, UserId>> {
    let drafts = items.iter().filter_map(|(_, draft)| draft.as_ref().ok());
    let address = |draft: &Create| match draft.receiver() {
        Ok(Receiver::Address(Email(address))) => Some(address),
        _ => None,
    };
    let addresses: BTreeSet<String> = drafts.filter_map(address).collect();
    let look_up = async |address: String| match transfers.receiver(&Email(address.clone()), caller, None).await {
        Ok(id) => Ok(Some((address, id))),
        Err(error) if error.code() == codes::USER_NOT_FOUND => Ok(None),
        Err(error) => Err(error),
    };
    let found = stream::iter(addresses).map(look_up).buffer_unordered(LOOKUPS);
    found.try_filter_map(async |found| Ok(found)).try_collect().await
}

/// The transaction that a draft asks for.
fn transaction(caller: Caller, draft: Create, receivers: &HashMap<String, UserId>) -> Result<NewTransaction> {
    caller
        .must_be_one_of(&[draft.sender_id])
        .map_err(|_| ApiError::new(codes::FORBIDDEN).field("sender_id", "must be your own account"))?;
    if draft.execute_at.is_some() {
        return Err(ApiError::invalid("execute_at", "must not stand in a batch"));
    }
    let receiver = match draft.receiver()? {
        Receiver::Id(id) => id,
        Receiver::Address(email) => *receivers
            .get(&email.0)
            .ok_or_else(|| ApiError::new(codes::USER_NOT_FOUND).field(Receiver::ADDRESS, "belongs to no account"))?,
    };
    draft.transaction(receiver)
}

/// Refuses an atomic batch for all that is wrong with its items.
fn refuse_faulty(items: &[(Place, Result<NewTransaction>)]) -> Result<()> {
    let faults: Vec<(Place, &ApiError)> =
        items.iter().filter_map(|(place, item)| Some((*place, item.as_ref().err()?))).collect();
    let Some((_, first)) = faults.first() else { return Ok(()) };
    // of a batch it is the request that is wrong, whatever an item alone would be answered
    let code = if first.code().status() == 400 { first.code() } else { codes::INVALID_VALUE };
    Err(faults.iter().fold(ApiError::new(code), |error, (place, fault)| place.name(error, fault)))
}

/// Why an atomic batch is refused, if it is.
fn refused_whole(is_atomic: bool, items: &[Item]) -> Option<ApiError> {
    let error = |item: &Item| match item {
        Item::Made(row, exceeded) => refused(row, exceeded.clone()),
        Item::Faulty(_) => None,
    };
    items.iter().find_map(error).filter(|_| is_atomic)
}

/// The answer to a request that makes a batch.
fn answer<T>(Made { batch, items, replayed }: Made) -> Reply<T> {
    let mut response = match refused_whole(batch.is_atomic, &items) {
        Some(error) => error.detail("batch_id", batch.id.get()).into_response(),
        None => {
            let body = Body::new(&batch, items);
            match body.status {
                BatchStatus::Processing => WithStatus::<202, _>(body).into_response(),
                _ => WithStatus::<201, _>(body).into_response(),
            }
        }
    };
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Reply::new(response)
}

/// `GET /batches/{id}`: what a batch has come to, for whoever has made it.
pub async fn show(visitor: Visitor, Path(id): Path<BatchId>, State(transfers): State<Transfers>) -> Result<Json<Body>> {
    let (batch, items) = transfers.find_batch(id).await?.ok_or(codes::BATCH_NOT_FOUND)?;
    let owner: Vec<UserId> = batch.owner().into_iter().collect();
    visitor.must_be_a_party(&owner, batch.created_at, codes::BATCH_NOT_FOUND)?;
    Ok(Json(Body::new(&batch, items)))
}
