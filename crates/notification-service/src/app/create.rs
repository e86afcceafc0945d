//! Making a notification.

use axum::http::StatusCode;
use common::{
    idempotency::{self, Answer, KeyedRequest, Known},
    origin::Origin,
};
use fault::point;
use money::{UserId, time};
use mysql::DbError;
use sqlx::MySqlPool;

use super::worker;
use crate::{
    domain::{fairness::Fairness, notices::Notice},
    store::notifications as store,
};

/// Stores a notification for `user`, which the worker mails, and its answer under `request`; the first answer if the request
/// is known.
pub async fn create(
    pool: &MySqlPool,
    fairness: &Fairness,
    user: UserId,
    message: String,
    request: Option<&KeyedRequest>,
) -> Result<Known, DbError> {
    let now = time::now();
    // an identity of its own, by which a second run finds what the first one wrote
    let identity = format!("once:{}", uuid::Uuid::new_v4());
    let notice = &Notice::new(identity, user, message).within(&Origin::current().trace);
    mysql::retry(|attempt| async move {
        let mut tx = mysql::begin(pool, point!("create")).await?;
        if let Some(known) = idempotency::look_up(tx.conn().await?, request).await? {
            return Ok(known);
        }
        let meters =
            store::insert_notices(tx.conn().await?, std::slice::from_ref(notice), fairness, now, attempt).await?;
        let notification = store::find_notice(tx.conn().await?, notice).await?;
        let answer = Answer::new(StatusCode::CREATED, &notification);
        idempotency::store(tx.conn().await?, request, &answer).await?;
        worker::announce(&mut tx);
        tx.commit().await?;
        fairness.remember(&meters);
        Ok(Known::Answered(answer))
    })
    .await
}
