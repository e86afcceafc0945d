//! What the shares of a step must be, if several are paid.

use std::collections::HashSet;

use common::{ApiError, Result};
use money::{Amount, Money, UserId};

use crate::domain::{
    operation::{BatchStep, Movement, Refund, Transfer},
    share::{MAX_SHARES, Share},
};

/// Refuses shares that do not add up, or are of nobody, of one user twice or of the one on the other side. The movement is at `place` of
/// the request.
pub fn check(place: &str, movement: &Movement) -> Result<()> {
    let at = |field: &str| format!("{place}.{field}");
    match movement {
        Movement::Hold(transfer) | Movement::Transfer(transfer) => check_transfer(place, transfer),
        Movement::Capture { sender_id, receiver_id, amount, shares, .. } => {
            check_shares(&at("shares"), (*sender_id, *receiver_id), *amount, shares)
        }
        Movement::Refund(Refund { sender_id, receiver_id, amount, shares, .. }) => {
            check_shares(&at("shares"), (*receiver_id, *sender_id), *amount, shares)
        }
        Movement::Release { sender_id, receiver_id, receivers, .. } => {
            check_users(&at("receivers"), (*sender_id, *receiver_id), receivers)
        }
        Movement::Batch(batch) => {
            let mut transfers = batch.steps.iter().map(BatchStep::transfer).enumerate();
            transfers.try_for_each(|(n, transfer)| check_transfer(&at(&format!("steps[{n}]")), transfer))
        }
        Movement::Topup { .. } | Movement::Credit { .. } | Movement::Debit { .. } => Ok(()),
    }
}

fn check_transfer(place: &str, transfer: &Transfer) -> Result<()> {
    let Transfer { sender_id, receiver_id, amount, shares, .. } = transfer;
    let field = format!("{place}.shares");
    if shares.iter().any(|share| share.amount == Money::ZERO) {
        return Err(ApiError::invalid(&field, "must each be more than 0"));
    }
    check_shares(&field, (*sender_id, *receiver_id), *amount, shares)
}

fn check_shares(field: &str, parties: (UserId, UserId), amount: Amount, shares: &[Share]) -> Result<()> {
    let users: Vec<UserId> = shares.iter().map(|share| share.receiver_id).collect();
    check_users(field, parties, &users)?;
    // with more digits than an amount, maybe: what is left of 10,000,000,000,001 after a fee of 0.01 has sixteen
    if shares.iter().any(|share| share.amount.is_negative() || !share.amount.is_in_units()) {
        return Err(ApiError::invalid(field, "must not be negative, and have at most two decimals"));
    }
    let sum: Money = shares.iter().map(|share| share.amount).sum();
    if !shares.is_empty() && sum != amount.money() {
        return Err(ApiError::invalid(field, "must add up to the amount"));
    }
    Ok(())
}

/// The one side is one user, the other these, of whom the first is named apart; none if it is one user, too.
fn check_users(field: &str, (one, first): (UserId, UserId), users: &[UserId]) -> Result<()> {
    let distinct: HashSet<&UserId> = users.iter().collect();
    let is_right = users.first() == Some(&first)
        && (1..=MAX_SHARES).contains(&users.len())
        && distinct.len() == users.len()
        && !distinct.contains(&one);
    if users.is_empty() || is_right {
        return Ok(());
    }
    Err(ApiError::invalid(field, format!("must be of 1 to {MAX_SHARES} users, the receiver first, without the sender")))
}
