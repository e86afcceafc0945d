//! The routes of report-service, one file for each resource.

pub mod reports;
pub mod summaries;
pub mod sync;

use axum::{
    http::{HeaderName, HeaderValue},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, SecondsFormat, Utc};
use common::{ApiError, Result, UserId, db, error::error_chain, point, time};
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
    let is_known = copies::is_known(&mut *pool.acquire().await?, user).await?;
    match found {
        Ok(true) if is_known => Ok(None),
        Ok(true) => {
            db::retry(|_| async {
                let mut tx = db::begin(pool, point!("seen")).await?;
                copies::take_over_users(&mut tx, &[user]).await?;
                tx.commit().await
            })
            .await?;
            Ok(None)
        }
        Ok(false) => Err(user_not_found()),
        Err(error) => {
            tracing::warn!(error = error_chain(&error), "looking the user up in the copy");
            if is_known { Ok(Some(time::now())) } else { Err(error.into()) }
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
