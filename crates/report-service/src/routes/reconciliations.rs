//! Reconciliations: files that were compared with the wallet's movements.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode},
    response::IntoResponse,
};
use chrono::{DateTime, NaiveDate, Utc};
use common::{
    Result,
    answer::{Created, Reply, WithStatus},
    caller::{Service, Trusted},
    extract::{Json, Path},
    headers::REPLAYED,
    idempotency::{IdempotencyKey, KeyedRequest},
    page::{List, Listed},
    reads::ReadPool,
};
use money::ReconciliationId;
use mysql::scan::Stretch;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::reconciliation_file::File;
use crate::{
    app::{reconciliations::Reconciled, sync::Sync},
    domain::reconciliation::Lists,
    store::reconciliations::{self as store, Reconciliation},
};

/// What was compared with what, and what that found.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Reconciliation", example = json!({
    "id": 1,
    "from": "2026-11-25",
    "to": "2026-11-26",
    "as_of": "2026-11-27T02:00:00.000000Z",
    "created_at": "2026-11-27T02:00:01.000000Z",
    "matched": [{"reference": "TOPUP-1", "date": "2026-11-25", "amount": 100_000}],
    "differing": [{
        "reference": "TOPUP-2",
        "here": {"date": "2026-11-25", "amount": 5_000},
        "there": {"date": "2026-11-25", "amount": 50_000},
    }],
    "missing_here": [{"reference": "PAYOUT-7", "date": "2026-11-26", "amount": -2_500.5}],
    "missing_there": [],
}))]
pub struct Body {
    id: ReconciliationId,
    /// The day of the file's oldest line, in the wallet's time zone.
    from: NaiveDate,
    /// The day of its newest line.
    to: NaiveDate,
    /// Whatever was committed in the wallet before is compared.
    as_of: DateTime<Utc>,
    created_at: DateTime<Utc>,
    #[serde(flatten)]
    lists: Lists,
}

impl Body {
    fn new(Reconciliation { id, from_day, to_day, as_of, created_at, .. }: Reconciliation, lists: Lists) -> Self {
        Self { id, from: from_day, to: to_day, as_of, created_at, lists }
    }
}

/// `POST /reconciliations`: compares a file with the top-ups, credits and debits that carry a reference.
pub async fn create(
    Service(caller): Service,
    key: IdempotencyKey,
    State(sync): State<Sync>,
    file: File,
) -> Result<Reply<Created<Body>>> {
    let lines = file.lines()?;
    let keyed = KeyedRequest::new(key, caller, "POST /reconciliations", &lines);
    let Reconciled { reconciliation, lists, replayed } = sync.reconcile(lines, keyed.as_ref()).await?;
    let mut response =
        WithStatus::<{ StatusCode::CREATED.as_u16() }, _>(Body::new(reconciliation, lists)).into_response();
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(Reply::new(response))
}

/// `GET /reconciliations/{id}`
pub async fn show(_: Trusted, Path(id): Path<ReconciliationId>, State(sync): State<Sync>) -> Result<Json<Body>> {
    let Reconciled { reconciliation, lists, .. } = sync.reconciliation(id).await?;
    Ok(Json(Body::new(reconciliation, lists)))
}

/// How much of a file agreed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ReconciliationCounts", example = json!({
    "id": 1,
    "from": "2026-11-25",
    "to": "2026-11-26",
    "created_at": "2026-11-27T02:00:01.000000Z",
    "matched": 1,
    "differing": 1,
    "missing_here": 1,
    "missing_there": 0,
}))]
pub struct Counts {
    id: ReconciliationId,
    from: NaiveDate,
    to: NaiveDate,
    created_at: DateTime<Utc>,
    matched: i32,
    differing: i32,
    missing_here: i32,
    missing_there: i32,
}

impl From<Reconciliation> for Counts {
    fn from(row: Reconciliation) -> Self {
        let Reconciliation { id, from_day, to_day, created_at, .. } = row;
        let Reconciliation { matched, differing, missing_here, missing_there, .. } = row;
        Self { id, from: from_day, to: to_day, created_at, matched, differing, missing_here, missing_there }
    }
}

/// `GET /reconciliations`: newest first.
pub async fn list(_: Trusted, State(reads): State<ReadPool>, List(page, ()): List<()>) -> Result<Listed<Counts>> {
    let items = store::list(&mut *reads.acquire().await?, page.cursor, page.rows()).await?;
    let reached = None;
    Ok(page.answer::<Reconciliation, Counts>(Stretch { items, reached }, |row| row.id.get()))
}
