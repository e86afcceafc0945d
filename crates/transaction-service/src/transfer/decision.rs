//! Decisions about pending transactions: complete, fail, cancel. Of two at the same time exactly one wins.

use common::Result;

use super::{
    Change, NotSent, Transfers,
    actor::{Actor, Reason},
    model::{Status, Transaction, Verb},
};
use crate::store::changes::Changed;

/// What is decided about a pending transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Pay the receiver.
    Complete,
    /// Give the money back, as a failure.
    Fail,
    /// Give the money back.
    Cancel,
}

impl Decision {
    /// The status that the decision leads to.
    pub fn target(self) -> Status {
        match self {
            Self::Complete => Status::Completed,
            Self::Fail => Status::Failed,
            Self::Cancel => Status::Cancelled,
        }
    }

    /// The verb that carries the decision out.
    pub fn verb(self) -> Verb {
        match self {
            Self::Complete => Verb::Capture,
            Self::Fail | Self::Cancel => Verb::Release,
        }
    }
}

/// A decision with its reason, and what goes with it.
#[derive(Debug, Clone)]
pub struct Ruling {
    /// What is decided.
    pub decision: Decision,
    /// Why.
    pub reason: Reason,
    /// A new description.
    pub description: Option<String>,
    /// For whom the transaction is deleted as well.
    pub hide: Option<Actor>,
}

impl Ruling {
    /// What `actor` decides.
    pub fn by(actor: Actor, decision: Decision) -> Self {
        Self { decision, reason: Reason::of(decision, actor), description: None, hide: None }
    }

    /// The end of a transaction about which nobody decided in time.
    pub fn expiry() -> Self {
        Self { decision: Decision::Cancel, reason: Reason::Expired, description: None, hide: None }
    }
}

/// What became of a decision.
#[derive(Debug, Clone)]
pub enum Decided {
    /// It stands, by this request or an earlier one like it; the transaction may still be `processing`.
    Stands(Transaction),
    /// Another decision won, or its outcome is still open.
    Lost(Transaction),
    /// There is no such transaction.
    NotFound,
}

impl Transfers {
    /// Decides about the transaction that was last `seen` so, and carries the decision out.
    pub async fn decide(&self, seen: &Transaction, ruling: Ruling) -> Result<Decided> {
        let Changed { row, won } = self.change(seen, Change::Decide(ruling.clone())).await?;
        let Ruling { decision, description, hide, .. } = ruling;
        let decided = match row {
            None => return Ok(Decided::NotFound),
            Some(row) if row.is_hidden() && hide.is_none() => return Ok(Decided::NotFound),
            // too late to describe it anew
            Some(row) if !won && description.is_some_and(|text| text != row.description) => Decided::Lost(row),
            Some(row) if row.status == decision.target() => Decided::Stands(row),
            // in flight to the same end: this request helps to bring it there
            Some(row) if row.target == Some(decision.target()) => Decided::Stands(row),
            Some(row) => Decided::Lost(row),
        };
        match decided {
            Decided::Stands(row) => match self.advance(row, false).await {
                Ok(row) => Ok(Decided::Stands(row)),
                Err(NotSent) => unreachable!("only a fresh transaction fails without being sent"),
            },
            other => Ok(other),
        }
    }
}
