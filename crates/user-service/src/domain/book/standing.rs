//! What an account may pay: nothing if it is frozen or locked, and no more than its limits.

use chrono::NaiveDate;
use common::caller::AccountState;
use money::{Amount, Money, UserId};

use super::{Balances, Book};
use crate::domain::{
    limits::Exceeded,
    operation::{Movement, Refusal},
};

impl Balances {
    /// Refuses what an account that is frozen or locked pays.
    pub fn may_send(&self) -> Result<(), Refusal> {
        match self.state {
            AccountState::Active => Ok(()),
            AccountState::Frozen => Err(Refusal::AccountFrozen),
            AccountState::Locked => Err(Refusal::AccountLocked),
        }
    }
}

impl Book {
    /// By what `movement`, which was refused for a limit, exceeds it.
    pub fn exceeded(&self, movement: &Movement) -> Option<Exceeded> {
        match movement {
            Movement::Debit { user_id, amount, .. } => self.exceeded_by(*user_id, *amount),
            Movement::Hold(transfer) | Movement::Transfer(transfer) => {
                self.exceeded_by(transfer.sender_id, transfer.amount)
            }
            Movement::Batch(batch) => self.exceeded_by_batch(batch),
            _ => None,
        }
    }

    pub(super) fn exceeded_by(&self, user: UserId, amount: Amount) -> Option<Exceeded> {
        let balances = self.accounts.get(&user)?;
        self.rules.count(balances.settings, balances.spent, amount).err()
    }

    /// Refuses what the account does not have, what exceeds its limits, and what it may not send at all.
    pub(super) fn may_pay(&self, user: UserId, amount: Amount) -> Result<(), Refusal> {
        let balances = self.accounts.get(&user).ok_or(Refusal::UserNotFound)?;
        balances.may_send()?;
        self.enough(user, amount.money())?;
        let counted = self.rules.count(balances.settings, balances.spent, amount);
        counted.map(drop).map_err(|_| Refusal::LimitExceeded)
    }

    /// Counts what is paid, if a limit applies that needs it, and says for which day.
    pub(super) fn count(&mut self, user: UserId, amount: Amount) -> Option<NaiveDate> {
        let rules = self.rules;
        let balances = self.account(user);
        let spent = rules.count(balances.settings, balances.spent, amount).ok()??;
        balances.spent = Some(spent);
        Some(spent.on)
    }

    /// Counts `amount` of a hold, which goes back to its sender, no longer.
    pub(super) fn give_back(&mut self, user: UserId, amount: Money, counted_on: Option<NaiveDate>) {
        let balances = self.account(user);
        balances.spent = match (balances.spent, counted_on) {
            (Some(spent), Some(day)) => Some(spent.without(amount, day)),
            (spent, _) => spent,
        };
    }

    /// True for an account that neither receives nor sends.
    pub(super) fn is_locked(&self, user: UserId) -> bool {
        self.accounts.get(&user).is_some_and(|balances| balances.state == AccountState::Locked)
    }
}
