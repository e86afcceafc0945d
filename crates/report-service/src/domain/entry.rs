//! An entry: one movement of the balance that a user can spend.

use chrono::{DateTime, Utc};
use money::{Money, TransactionId, UserId};

/// One movement of the balance that a user can spend, as it stands in the copy of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Identifies it, and grows along the ledger.
    pub id: i64,
    /// Whose balance it is.
    pub user_id: UserId,
    /// When it was made; never goes back along the ledger of one user.
    pub created_at: DateTime<Utc>,
    /// What it is: `topup`, `transfer`, `hold`, …; words of later versions are passed on.
    pub kind: String,
    /// By how much the balance changed: negative if it fell.
    pub amount: Money,
    /// The balance after it.
    pub balance_after: Money,
    /// Who paid or was paid, if somebody was.
    pub counterparty_id: Option<UserId>,
    /// The transaction that it is of.
    pub transaction_id: Option<TransactionId>,
    /// What the caller calls it.
    pub reference: Option<String>,
    /// What was written on it.
    pub description: Option<String>,
}
