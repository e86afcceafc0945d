//! Deciding about a pending transaction. Of two decisions at the same time exactly one wins.

use common::Result;
use money::Money;

use super::transfers::{NotSent, Transfers};
use crate::{
    domain::{
        capture::Capture,
        decision::{Decision, Ruling},
        state::Status,
        transaction::Transaction,
        transition::{Changed, Transition},
    },
    store::captures,
};

/// What became of a decision.
#[derive(Debug, Clone)]
pub enum Decided {
    /// It is carried out, by this request or an earlier one like it.
    Made(Transaction),
    /// It stands, and the transaction is still `processing`, or it could not be carried out.
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

    /// What became of `ruling`, which stands, where so much was captured before.
    pub(super) fn advanced(row: Transaction, ruling: &Ruling, captured_before: Money) -> Self {
        let is_made = row.status() != Status::Processing && ruling.decision.has_made(&row, captured_before);
        if is_made { Self::Made(row) } else { Self::Stands(row) }
    }
}

impl Transfers {
    /// Decides about the transaction that was last `seen` so, and carries the decision out. A sender whose account is frozen decides
    /// nothing.
    pub async fn decide(&self, seen: &Transaction, ruling: Ruling) -> Result<Decided> {
        self.may_rule(seen, &ruling).await?;
        let changed = self.change(seen, Transition::Decide(ruling.clone())).await?;
        match Decided::of(changed, &ruling) {
            Decided::Stands(row) => {
                let before = row.captured;
                match self.advance(row, false).await {
                    Ok(row) => Ok(Decided::advanced(row, &ruling, before)),
                    Err(NotSent) => unreachable!("only a fresh transaction fails without being sent"),
                }
            }
            Decided::Lost(row) if self.was_made_by(&ruling, &row).await? => Ok(Decided::Made(row)),
            other => Ok(other),
        }
    }

    /// True if the last capture of `row` was as `ruling` wants it. How much was captured before that is known from the captures alone.
    pub(super) async fn was_made_by(
        &self,
        Ruling { decision, description, .. }: &Ruling,
        row: &Transaction,
    ) -> Result<bool> {
        let Decision::Capture(Capture { amount: Some(amount), is_final: true }) = *decision else { return Ok(false) };
        if row.status() != Status::Completed || description.as_ref().is_some_and(|text| *text != row.description) {
            return Ok(false);
        }
        let last = captures::last(&mut *self.0.pool.acquire().await?, row.id).await?;
        Ok(last.is_some_and(|last| last.is_final && last.amount == amount.money()))
    }

    /// Refuses what a sender decides whose account is frozen.
    pub(super) async fn may_rule(&self, seen: &Transaction, ruling: &Ruling) -> Result<()> {
        if ruling.reason.is_senders() && !seen.status().is_settled() {
            self.0.standing.may_decide(seen.sender_id).await?;
        }
        Ok(())
    }
}
