//! Captures of pending transactions.

use axum::{extract::State, http::HeaderValue, response::IntoResponse};
use common::{
    ApiError, Result,
    answer::{Accepted, Created, Either, Reply, WithStatus},
    caller::Visitor,
    extract::{Json, Path},
    headers::REPLAYED,
    idempotency::{Answer, IdempotencyKey, KeyedRequest},
};
use money::TransactionId;

use super::{
    body::{Body, NewCapture},
    transactions::{lost, refusal, visible},
};
use crate::{
    app::{capture::Captured, transfers::Transfers},
    codes,
    domain::{capture::Capture, decision::Decision, state::Status},
};

/// `POST /transactions/{id}/captures`: pays the receiver a part of what is set aside; the rest stays so until a final capture, a
/// cancellation or the end of its time.
pub async fn create(
    visitor: Visitor,
    Path(id): Path<TransactionId>,
    key: IdempotencyKey,
    State(transfers): State<Transfers>,
    Json(body): Json<NewCapture>,
) -> Result<Reply<Either<Created<Body>, Accepted<Body>>>> {
    let (seen, actor) = visible(&transfers, &visitor, id).await?;
    if !Decision::COMPLETE.is_open_to(actor) {
        return Err(codes::FORBIDDEN.into());
    }
    let request = KeyedRequest::new(key, visitor.caller, &format!("POST /transactions/{id}/captures"), &body);
    let amount = body.amount.or(seen.left().try_into().ok());
    let capture = Capture { amount, is_final: body.r#final.unwrap_or(false) };
    match transfers.capture(&seen, actor, capture, request.as_ref()).await? {
        Captured::Decided { row, capture, replayed } => {
            let mut response = if capture.is_in(&row) {
                WithStatus::<201, _>(Body::as_captured(row, &capture)).into_response()
            } else if capture.is_open_in(&row) {
                WithStatus::<202, _>(Body::from(row)).into_response()
            } else {
                // the decision stood, and could not be carried out
                row.state.failure().map_or(ApiError::new(codes::RECEIVER_UNAVAILABLE), refusal).into_response()
            };
            if replayed {
                response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            }
            Ok(Reply::new(response))
        }
        Captured::Refused(answer) => Ok(Reply::new(answer.into_response())),
        Captured::Lost(row) => {
            let refusal = lost(Decision::Capture(capture), &row);
            // whoever is asked to come back has not been refused
            if row.status() != Status::Processing {
                transfers.keep_refusal(request.as_ref(), &Answer::refusal(&refusal)).await?;
            }
            Err(refusal)
        }
        Captured::NotFound => Err(codes::TRANSACTION_NOT_FOUND.into()),
    }
}
