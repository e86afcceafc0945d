//! Deciding about a pending transaction. Of two decisions at the same time exactly one wins.

use common::Result;

use super::transfers::{NotSent, Transfers};
use crate::domain::{
    decision::Ruling,
    transaction::Transaction,
    transition::{Changed, Transition},
};

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

impl Decided {
    /// What became of `ruling`, if it `won`, where the transaction then stands so.
    pub(super) fn of(Changed { row, won }: Changed, ruling: &Ruling) -> Self {
        let Ruling { decision, description, hide, .. } = ruling;
        match row {
            None => Self::NotFound,
            Some(row) if row.is_hidden() && hide.is_none() => Self::NotFound,
            // too late to change its description
            Some(row) if !won && description.as_ref().is_some_and(|text| *text != row.description) => Self::Lost(row),
            // in flight to the same end: this request helps to bring it there
            Some(row) if won || decision.agrees_with(&row) => Self::Stands(row),
            Some(row) => Self::Lost(row),
        }
    }
}

impl Transfers {
    /// Decides about the transaction that was last `seen` so, and carries the decision out. A sender whose account is frozen decides
    /// nothing.
    pub async fn decide(&self, seen: &Transaction, ruling: Ruling) -> Result<Decided> {
        self.may_rule(seen, &ruling).await?;
        let changed = self.change(seen, Transition::Decide(ruling.clone())).await?;
        match Decided::of(changed, &ruling) {
            Decided::Stands(row) => match self.advance(row, false).await {
                Ok(row) => Ok(Decided::Stands(row)),
                Err(NotSent) => unreachable!("only a fresh transaction fails without being sent"),
            },
            other => Ok(other),
        }
    }

    /// Refuses what a sender decides whose account is frozen.
    pub(super) async fn may_rule(&self, seen: &Transaction, ruling: &Ruling) -> Result<()> {
        if ruling.reason.is_senders() && !seen.status().is_settled() {
            self.0.standing.may_decide(seen.sender_id).await?;
        }
        Ok(())
    }
}
