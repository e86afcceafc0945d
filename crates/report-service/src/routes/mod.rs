//! The routes of report-service, one file for each resource.

pub mod reports;
pub mod summaries;
pub mod sync;

use aide::{
    OperationOutput,
    generate::GenContext,
    openapi::{self, Operation},
};
use axum::{
    http::HeaderValue,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, SecondsFormat, Utc};
use common::{
    Code, Result, UserId, db,
    error::error_chain,
    http::{api, serve::DATA_AS_OF},
    point, time,
};
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::MySqlPool;

use crate::{clients::UserClient, store::copies};

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
        Ok(false) => Err(Code::UserNotFound.into()),
        Err(error) => {
            tracing::warn!(error = error_chain(&error), "looking the user up in the copy");
            if is_known { Ok(Some(time::now())) } else { Err(error.into()) }
        }
    }
}

/// An answer from the copy, marked if it may be behind since a moment.
pub struct Copied<T>(T, Option<DateTime<Utc>>);

impl<T: Serialize> IntoResponse for Copied<T> {
    fn into_response(self) -> Response {
        let mut response = axum::Json(self.0).into_response();
        let since = self.1.map(|since| since.to_rfc3339_opts(SecondsFormat::Micros, true));
        if let Some(value) = since.and_then(|text| HeaderValue::try_from(text).ok()) {
            response.headers_mut().insert(DATA_AS_OF, value);
        }
        response
    }
}

impl<T: JsonSchema> OperationOutput for Copied<T> {
    type Inner = Self;
    fn inferred_responses(context: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, openapi::Response)> {
        let (status, mut response) = api::answers::<T>(context, 200);
        let header =
            api::header("Set if a source is away: the answer was true at this moment, and may be behind since.");
        response.headers.insert(DATA_AS_OF.to_string(), header);
        vec![(status, response)]
    }
}
