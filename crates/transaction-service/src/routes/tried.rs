//! What is answered to requests that were only tried: as the real ones would be, but under no number.

use axum::http::StatusCode;
use common::{
    Result,
    answer::{Accepted, Created, Either, Reply},
    dry_run::{OrTried, Tried},
    standing::Standing,
};
use money::UserId;

use super::{
    body::Body,
    refusals::{illegal_change, refused},
};
use crate::{
    app::{
        dry_run::{TriedCreation, TriedOut},
        transfers::Transfers,
    },
    domain::{state::Status, transaction::Transaction},
};

/// A transaction that was made, or would be.
pub(super) type MadeOrTried = Reply<Either<Created<OrTried<Body>>, Accepted<Body>>>;

/// The answer for a transaction that would stand so.
pub(super) fn answer<T>(status: StatusCode, body: impl Into<Body>, standing: Option<Standing>) -> Reply<T> {
    let body = body.into();
    Reply::new(Tried::new(status, &body, body.fee(), standing))
}

/// The answer for a transaction that would be made, or refused.
pub(super) fn creation(TriedOut { outcome, standing }: TriedOut<TriedCreation>) -> Result<MadeOrTried> {
    let TriedCreation { row, new, exceeded } = outcome;
    match refused(&row, exceeded) {
        Some(error) => Err(error),
        None => Ok(answer(StatusCode::CREATED, Body::as_created(row, new), standing)),
    }
}

/// The answer for a description that would be changed, or for nothing that would.
pub(super) async fn description<T>(
    transfers: &Transfers,
    row: Transaction,
    description: Option<String>,
    asks: UserId,
) -> Result<Reply<T>> {
    if description.is_none() && row.status() != Status::Pending {
        return Err(illegal_change(&row));
    }
    let description = description.unwrap_or_else(|| row.description.clone());
    let TriedOut { outcome, standing } = transfers.try_describe(&row, description, asks).await?;
    let described = outcome.ok_or_else(|| illegal_change(&row))?;
    Ok(answer(StatusCode::OK, described, standing))
}
