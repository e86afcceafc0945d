//! Refunds.

use axum::{extract::State, response::IntoResponse};
use common::{
    Result,
    answer::Reply,
    caller::Visitor,
    dry_run::DryRun,
    extract::{Json, Path},
    idempotency::{IdempotencyKey, KeyedRequest},
    labels::Labels,
};
use money::TransactionId;

use super::{
    body::NewRefund,
    transactions::{answer, visible},
    tried::{self, MadeOrTried},
};
use crate::{app::transfers::Transfers, codes, domain::intent::Request};

/// `POST /transactions/{id}/refunds`: gives back what the receiver has got, or a part of it, as a transaction of its own.
pub async fn create(
    visitor: Visitor,
    Path(id): Path<TransactionId>,
    DryRun(dry_run): DryRun,
    key: IdempotencyKey,
    State(transfers): State<Transfers>,
    Json(body): Json<NewRefund>,
) -> Result<MadeOrTried> {
    let (of, actor) = visible(&transfers, &visitor, id).await?;
    // it is the receiver's money, and of several not one of them decides about the others'
    if !of.is_refunded_by(actor) {
        return Err(codes::FORBIDDEN.into());
    }
    let keyed =
        KeyedRequest::new(key.unless(dry_run), visitor.caller, &format!("POST /transactions/{id}/refunds"), &body);
    let request = Request::of(keyed.as_ref(), &body);
    // of a request that was sent twice one may have been refused a moment before the other was not: what was made counts
    if !transfers.is_known(&request).await?
        && let Some(known) = transfers.answered_before(keyed.as_ref()).await?
    {
        return Ok(Reply::new(known.answer()?.into_response()));
    }
    let NewRefund { amount, reason, reference, metadata } = body;
    let (reason, labels) = (reason.unwrap_or_default().0, Labels::of(reference, metadata));
    if dry_run {
        let asks = visitor.caller.only_user().unwrap_or(of.receiver_id);
        return tried::creation(transfers.try_refund(&of, amount, reason, labels, asks).await?);
    }
    answer(transfers.refund(&of, amount, reason, labels, (&request, keyed.as_ref())).await?)
}
