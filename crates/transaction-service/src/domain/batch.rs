//! Payments that are asked for together: each for itself, or all or none. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use common::ApiError;
use money::{BatchId, TransactionId, UserId};
use serde::{Deserialize, Serialize};

use super::{
    intent::{NewTransaction, Request},
    state::Status,
    step::Exceeded,
    transaction::Transaction,
};

/// The most items that a batch has.
pub const MAX_ITEMS: usize = 1_000;

/// The most receivers that the items of a batch have together, fees counted: all of them are locked at once.
pub const MAX_RECEIVERS: usize = 2_000;

/// A batch that somebody wants to make.
#[derive(Debug, Clone)]
pub struct NewBatch {
    pub request: Request,
    /// Who asks for it.
    pub actor: String,
    /// True if all of it is made or none.
    pub is_atomic: bool,
    /// What is to be made, or what is wrong with it, in order.
    pub items: Vec<Result<NewTransaction, Fault>>,
}

/// What is wrong with an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The code of the error.
    pub code: String,
    /// What is wrong with each field.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
}

impl From<&ApiError> for Fault {
    fn from(error: &ApiError) -> Self {
        Self { code: error.code().name().to_owned(), fields: error.fields().clone() }
    }
}

/// A batch as it is kept.
#[derive(Debug, Clone)]
pub struct Batch {
    pub id: BatchId,
    pub is_atomic: bool,
    /// Who asked for it.
    pub actor: String,
    /// The digest of what the request asked for.
    pub fingerprint: Vec<u8>,
    pub created_at: DateTime<Utc>,
}

impl Batch {
    /// The user who asked for it, if one did.
    pub fn owner(&self) -> Option<UserId> {
        self.actor.strip_prefix("user:")?.parse().ok()
    }
}

/// What an item has come to.
#[derive(Debug, Clone)]
pub enum Item {
    /// A transaction, and by what it exceeds a limit if it was refused for one and that is still known.
    Made(Box<Transaction>, Option<Exceeded>),
    Faulty(Fault),
}

impl Item {
    /// The transaction, if there is one.
    pub fn transaction(&self) -> Option<TransactionId> {
        match self {
            Self::Made(row, _) => Some(row.id),
            Self::Faulty(_) => None,
        }
    }

    /// The transaction as it stands, and by what it exceeds a limit, if there is one.
    pub fn made(&mut self) -> Option<(&mut Transaction, &mut Option<Exceeded>)> {
        match self {
            Self::Made(row, exceeded) => Some((row, exceeded)),
            Self::Faulty(_) => None,
        }
    }

    /// The word for where it stands.
    pub fn status(&self) -> Status {
        match self {
            Self::Made(row, _) => row.status(),
            Self::Faulty(_) => Status::Failed,
        }
    }
}

/// The word for where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchStatus {
    /// The outcome of an item is not known yet.
    Processing,
    /// Every item was made.
    Completed,
    /// Some items were made.
    PartlyCompleted,
    /// No item was made.
    Failed,
}

impl BatchStatus {
    /// Where a batch stands whose items stand so. What was made and has ended otherwise since was made all the same.
    pub fn of(items: &[Item]) -> Self {
        let failed = items.iter().filter(|item| item.status() == Status::Failed).count();
        if items.iter().any(|item| item.status() == Status::Processing && is_new(item)) {
            return Self::Processing;
        }
        match failed {
            0 => Self::Completed,
            all if all == items.len() => Self::Failed,
            _ => Self::PartlyCompleted,
        }
    }
}

/// True while it is not known whether the item could be made at all.
fn is_new(item: &Item) -> bool {
    matches!(item, Item::Made(row, _) if row.is_being_created())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        state::{GivenBack, State},
        step::Failure,
        transaction::tests::transaction,
    };

    #[test]
    fn a_batch_stands_as_its_items_do() {
        let made = |state| Item::Made(Box::new(transaction(state)), None);
        let failed = || made(State::Failed(Some(Failure::InsufficientBalance)));
        let faulty = || Item::Faulty(Fault { code: "invalid_amount".into(), fields: BTreeMap::new() });
        for (items, status) in [
            (vec![made(State::Pending), made(State::Completed)], BatchStatus::Completed),
            (vec![made(State::Cancelled), made(State::Releasing(GivenBack::Cancelled))], BatchStatus::Completed),
            (vec![made(State::Completed), failed()], BatchStatus::PartlyCompleted),
            (vec![made(State::Completed), faulty()], BatchStatus::PartlyCompleted),
            (vec![failed(), faulty()], BatchStatus::Failed),
            (vec![made(State::Transferring), failed()], BatchStatus::Processing),
            (vec![made(State::Holding)], BatchStatus::Processing),
        ] {
            assert_eq!(BatchStatus::of(&items), status, "{items:?}");
        }
    }
}
