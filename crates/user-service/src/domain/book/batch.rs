//! First steps of transactions that happen together or not at all.

use money::Money;

use super::{Applied, Book, Entry};
use crate::domain::{
    limits::{Exceeded, Limit},
    operation::{Batch, BatchStep, Refusal, Transfer},
};

impl Book {
    /// Carries out all steps, each on what the one before it left, or none.
    pub(super) fn batch(&mut self, batch: &Batch) -> Result<Applied, Refusal> {
        let before = self.clone();
        let mut entries = Vec::with_capacity(2 * batch.steps.len());
        for step in &batch.steps {
            match self.begin_with(step) {
                Ok(applied) => {
                    let transaction = Some(step.transfer().transaction_id);
                    entries.extend(applied.entries.into_iter().map(|entry| Entry { transaction, ..entry }));
                }
                Err(refusal) => {
                    *self = before;
                    return Err(refusal);
                }
            }
        }
        let subject = batch.steps.first().map(|step| step.transfer().sender_id);
        let balance = subject.and_then(|user| self.accounts.get(&user)).map_or(Money::ZERO, |b| b.available);
        Ok(Applied { entries, balance })
    }

    fn begin_with(&mut self, step: &BatchStep) -> Result<Applied, Refusal> {
        match step {
            BatchStep::Hold(transfer) => self.hold(transfer),
            BatchStep::Transfer(transfer) => self.transfer(transfer),
        }
    }

    /// By what the first step that exceeds a limit does so, and what is left now that none of them is made.
    pub(super) fn exceeded_by_batch(&self, batch: &Batch) -> Option<Exceeded> {
        let mut book = self.clone();
        let refused = batch.steps.iter().position(|step| book.begin_with(step).is_err())?;
        let Transfer { sender_id, amount, .. } = *batch.steps[refused].transfer();
        let exceeded = book.exceeded_by(sender_id, amount)?;
        if exceeded.limit == Limit::PerTransaction {
            return Some(exceeded);
        }
        let before = batch.steps[..refused].iter().map(BatchStep::transfer);
        let counted: Money = before.filter(|step| step.sender_id == sender_id).map(|step| step.amount.money()).sum();
        Some(Exceeded { remaining: exceeded.remaining + counted, ..exceeded })
    }
}
