//! What keeps a sender from paying: an account that is frozen or locked, and limits. user-service decides both; this is what has to be
//! known of it here.

use std::sync::{Mutex, PoisonError};

use common::{
    Result,
    caller::{AccountState, account::Accounts},
    recent::Recent,
};
use money::{TransactionId, UserId};

use crate::{codes, domain::step::Exceeded};

/// Refusals for a limit whose details an instance keeps, some 100 bytes each.
const MAX_KEPT: usize = 10_000;

/// The accounts of users, and why payments exceeded their limits.
pub struct Standing {
    accounts: Accounts,
    exceeded: Mutex<Recent<TransactionId, Exceeded>>,
}

impl Standing {
    /// That of `accounts`.
    pub fn new(accounts: Accounts) -> Self {
        Self { accounts, exceeded: Mutex::new(Recent::new(MAX_KEPT)) }
    }

    /// Refuses what `user` decides about money that it has set aside, if its account is frozen or locked at this moment: the
    /// transaction stays as it is, for operators. While nobody can say, the decision stands, and user-service refuses the capture that
    /// comes of it if the account is frozen by then.
    pub async fn may_decide(&self, user: UserId) -> Result<()> {
        match self.accounts.state_now(user).await {
            Some(AccountState::Frozen) => Err(codes::ACCOUNT_FROZEN.into()),
            Some(AccountState::Locked) => Err(codes::ACCOUNT_LOCKED.into()),
            Some(AccountState::Active) | None => Ok(()),
        }
    }

    /// Keeps by what a transaction exceeds a limit.
    pub fn keep(&self, transaction: TransactionId, exceeded: Exceeded) {
        self.exceeded.lock().unwrap_or_else(PoisonError::into_inner).set(transaction, exceeded);
    }

    /// By what a transaction exceeds a limit, unless that was forgotten.
    pub fn kept(&self, transaction: TransactionId) -> Option<Exceeded> {
        self.exceeded.lock().unwrap_or_else(PoisonError::into_inner).get(&transaction).cloned()
    }
}
