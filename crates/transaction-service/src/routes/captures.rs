//! Captures of pending transactions.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode},
    response::IntoResponse,
};
use common::{
    Result,
    answer::{Reply, WithStatus},
    caller::Visitor,
    dry_run::DryRun,
    extract::{Json, Path},
    headers::REPLAYED,
    idempotency::{Answer, IdempotencyKey, KeyedRequest},
};
use money::TransactionId;

use super::{
    body::{Body, NewCapture},
    refusals::{lost, not_captured},
    transactions::visible,
    tried::{self, MadeOrTried},
};
use crate::{
    app::{
        capture::Captured,
        dry_run::{TriedCapture, TriedOut},
        transfers::Transfers,
    },
    codes,
    domain::{capture::Capture, decision::Decision, state::Status},
};

/// `POST /transactions/{id}/captures`: pays the receiver a part of what is set aside; the rest stays so until a final capture, a
/// cancellation or the end of its time.
pub async fn create(
    visitor: Visitor,
    Path(id): Path<TransactionId>,
    DryRun(dry_run): DryRun,
    key: IdempotencyKey,
    State(transfers): State<Transfers>,
    Json(body): Json<NewCapture>,
) -> Result<MadeOrTried> {
    let (seen, actor) = visible(&transfers, &visitor, id).await?;
    if !Decision::COMPLETE.is_open_to(actor) {
        return Err(codes::FORBIDDEN.into());
    }
    let request = KeyedRequest::new(key, visitor.caller, &format!("POST /transactions/{id}/captures"), &body);
    let amount = body.amount.or(seen.left().try_into().ok());
    let capture = Capture { amount, is_final: body.r#final.unwrap_or(false) };
    if dry_run {
        let asks = visitor.caller.only_user().unwrap_or(seen.sender_id);
        let TriedOut { outcome, standing } = transfers.try_capture(&seen, actor, capture, asks).await?;
        return match outcome {
            TriedCapture::Decided(row, capture) if capture.is_in(&row) => {
                Ok(tried::answer(StatusCode::CREATED, Body::as_captured(row, &capture), standing))
            }
            TriedCapture::Decided(row, _) => Err(not_captured(&row)),
            TriedCapture::Lost(row) => Err(lost(Decision::Capture(capture), &row)),
        };
    }
    match transfers.capture(&seen, actor, capture, request.as_ref()).await? {
        Captured::Decided { row, capture, replayed } => {
            let mut response = if capture.is_in(&row) {
                WithStatus::<201, _>(Body::as_captured(row, &capture)).into_response()
            } else if capture.is_open_in(&row) {
                WithStatus::<202, _>(Body::from(row)).into_response()
            } else {
                not_captured(&row).into_response()
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
                let _ = transfers.keep_refusal(request.as_ref(), &Answer::refusal(&refusal)).await?;
            }
            Err(refusal)
        }
        Captured::NotFound => Err(codes::TRANSACTION_NOT_FOUND.into()),
    }
}
