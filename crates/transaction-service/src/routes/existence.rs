//! Whether those have accounts whom a payment names, where nobody would find out soon enough.

use std::collections::HashSet;

use common::{ApiError, Result};
use money::UserId;

use super::batch_body::Place;
use crate::{
    app::transfers::Transfers,
    codes,
    domain::{intent::NewTransaction, receiver::Receiver},
};

/// Refuses what is to begin later if somebody does not exist: an account that is opened meanwhile has no part in what was made before.
pub async fn must_exist(transfers: &Transfers, new: &NewTransaction) -> Result<()> {
    let existing = transfers.existing(parties(new).into_iter().map(|(_, user)| user).collect()).await?;
    unknown(new, &existing).map_or(Ok(()), Err)
}

/// Finds who does not exist before anything is made: all of them, so that they can be mended at once.
pub async fn refuse_unknown(transfers: &Transfers, items: &mut [(Place, Result<NewTransaction>)]) -> Result<()> {
    let new = items.iter().filter_map(|(_, item)| item.as_ref().ok());
    let users = new.flat_map(parties).map(|(_, user)| user).collect();
    let existing = transfers.existing(users).await?;
    for (_, item) in items.iter_mut() {
        let Ok(new) = item else { continue };
        if let Some(fault) = unknown(new, &existing) {
            *item = Err(fault);
        }
    }
    Ok(())
}

/// Sender and receivers of a payment, with the fields that name them.
fn parties(new: &NewTransaction) -> Vec<(String, UserId)> {
    let mut parties = vec![("sender_id".to_owned(), new.sender_id)];
    let is_split = new.shares.iter().all(|share| !share.is_fee);
    if new.shares.is_empty() || !is_split {
        parties.push((Receiver::ID.to_owned(), new.receiver_id));
    }
    for (place, share) in new.shares.iter().enumerate() {
        match (is_split, share.is_fee) {
            (true, _) => parties.push((format!("splits[{place}].receiver_id"), share.receiver_id)),
            (false, true) => parties.push(("fee.receiver_id".to_owned(), share.receiver_id)),
            (false, false) => {}
        }
    }
    parties
}

/// What is wrong with a payment that names somebody who is not among the `existing`.
fn unknown(new: &NewTransaction, existing: &HashSet<UserId>) -> Option<ApiError> {
    let (field, _) = parties(new).into_iter().find(|(_, user)| !existing.contains(user))?;
    Some(ApiError::new(codes::USER_NOT_FOUND).field(&field, "does not exist"))
}
