//! Refunds.

use axum::extract::State;
use common::{
    Result,
    caller::Visitor,
    dry_run::DryRun,
    extract::{Json, Path},
    idempotency::IdempotencyKey,
    labels::Labels,
};
use money::TransactionId;

use super::{
    body::NewRefund,
    transactions::{answer, request_of, visible},
    tried::{self, MadeOrTried},
};
use crate::{app::transfers::Transfers, codes};

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
    let request = request_of(key, visitor.caller, &format!("POST /transactions/{id}/refunds"), &body);
    let NewRefund { amount, reason, reference, metadata } = body;
    let (reason, labels) = (reason.unwrap_or_default().0, Labels::of(reference, metadata));
    if dry_run {
        let asks = visitor.caller.only_user().unwrap_or(of.receiver_id);
        return tried::creation(transfers.try_refund(&of, amount, reason, labels, asks).await?);
    }
    answer(transfers.refund(&of, amount, reason, labels, &request).await?)
}
