//! Reports.

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use common::{
    Result,
    answer::{Created, Either, Reply},
    as_of::AsOf,
    caller::{Service, Viewer},
    extract::{Json, Query},
    idempotency::{Answer, IdempotencyKey, KeyedRequest},
    page::UpTo,
    request,
};
use money::{TransactionId, UserId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{
    app::{reported::Reported, sync::Sync},
    store::reports::{Asked, Report, ReportedTransaction},
};

/// Reports on a page when the caller does not say.
const DEFAULT_PER_PAGE: u32 = 50;
/// The most reports on a page.
const MAX_PER_PAGE: u32 = 200;
/// The last page that can be asked for.
const MAX_PAGE: u32 = 1_000_000;

request! {
    /// What to report to whom.
    #[derive(Serialize)]
    #[schemars(example = json!({"user_id": 1, "transaction_id": 1}))]
    pub struct Create {
        user_id: UserId,
        transaction_id: TransactionId,
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Report", example = json!({
    "id": 1,
    "user_id": 1,
    "transaction_id": 10,
    "status": "generated",
    "created_at": "2025-11-12T10:30:00.000000Z",
}))]
pub struct ReportBody {
    id: i64,
    user_id: UserId,
    transaction_id: TransactionId,
    status: &'static str,
    created_at: DateTime<Utc>,
}

impl From<Report> for ReportBody {
    fn from(report: Report) -> Self {
        let Report { id, user_id, transaction_id, created_at } = report;
        Self { id, user_id, transaction_id, status: "generated", created_at }
    }
}

/// `POST /reports`: the report of a transaction for one of its parties; the same one if it was made before.
pub async fn create(
    Service(caller): Service,
    key: IdempotencyKey,
    State(sync): State<Sync>,
    Json(new): Json<Create>,
) -> Result<Reply<Either<Created<ReportBody>, Json<ReportBody>>>> {
    let request = KeyedRequest::new(key, caller, "POST /reports", &new);
    let answer = |report, is_new| {
        let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
        Answer::new(status, &ReportBody::from(report))
    };
    let answered = sync.report(new.user_id, new.transaction_id, request.as_ref(), answer).await?;
    Ok(Reply::new(answered.answer()?))
}

request! {
    /// The query of a user's reports.
    pub struct PageQuery {
        /// Which page, from 1.
        page: Option<UpTo<MAX_PAGE>>,
        /// Reports on a page.
        per_page: Option<UpTo<MAX_PER_PAGE>>,
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({"user_id": 1, "page": 1, "per_page": 50, "total": 1, "reports": [{
    "id": 1,
    "transaction_id": 10,
    "amount": 10_000,
    "status": "completed",
    "created_at": "2025-11-12T10:30:00.000000Z",
}]}))]
pub struct ReportPage {
    user_id: UserId,
    page: u32,
    per_page: u32,
    total: i64,
    reports: Vec<ReportedTransaction>,
}

/// `GET /reports/user/{user_id}`: the user's reports, newest first, each with its transaction as it stands now.
pub async fn list_of_user(
    Viewer { user, since }: Viewer,
    State(sync): State<Sync>,
    Query(query): Query<PageQuery>,
) -> Result<AsOf<ReportPage>> {
    let (UpTo(page), UpTo(per_page)) =
        (query.page.unwrap_or(UpTo(1)), query.per_page.unwrap_or(UpTo(DEFAULT_PER_PAGE)));
    sync.must_exist(user).await?;
    let skipped = i64::from(page - 1) * i64::from(per_page);
    let (Reported { total, reports }, moment) = sync.reports(user, Asked { since, limit: per_page, skipped }).await?;
    Ok(AsOf(ReportPage { user_id: user, page, per_page, total, reports }, moment))
}
