//! The routes of report-service, one file for each resource.

pub mod reports;
pub mod summaries;
pub mod sync;

use axum::{
    http::{HeaderName, HeaderValue},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, SecondsFormat, Utc};
use common::{ApiError, Result, UserId, error::error_chain, time};
use serde::Serialize;
use sqlx::MySqlPool;

use crate::{clients::UserClient, store::copies};

/// Marks an answer from a copy that may be behind its source, with the moment at which it was not.
const DATA_AS_OF: HeaderName = HeaderName::from_static("x-data-as-of");

fn user_not_found() -> ApiError {
    ApiError::not_found("user_not_found", "There is no such user")
}

/// 404 unless the user exists; if user-service is away, unless it has been seen before. Returns since when the answer
/// may be behind, if user-service was away.
async fn must_exist(pool: &MySqlPool, users: &UserClient, user: UserId) -> Result<Option<DateTime<Utc>>> {
    let found = users.exists(user).await; // no connection is kept during a call
    let mut conn = pool.acquire().await?;
    match found {
        Ok(true) => {
            copies::take_over_users(&mut conn, &[user]).await?;
            Ok(None)
        }
        Ok(false) => Err(user_not_found()),
        Err(error) => {
            tracing::warn!(error = error_chain(&error), "looking the user up in the copy");
            if copies::is_known(&mut conn, user).await? { Ok(Some(time::now())) } else { Err(error.into()) }
        }
    }
}

/// Answers `body`, marked if the copy may be behind since `stale`.
fn answer(body: impl Serialize, stale: Option<DateTime<Utc>>) -> Response {
    let mut response = axum::Json(body).into_response();
    let since = stale.map(|since| since.to_rfc3339_opts(SecondsFormat::Micros, true));
    if let Some(value) = since.and_then(|text| HeaderValue::try_from(text).ok()) {
        response.headers_mut().insert(DATA_AS_OF, value);
    }
    response
}
