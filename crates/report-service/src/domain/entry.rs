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

/// A place in the ledger of one user, at an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When the entry was made.
    pub created_at: DateTime<Utc>,
    /// Which one.
    pub id: i64,
}

impl Place {
    /// Behind all entries.
    pub const END: Self = Self { created_at: LATEST, id: i64::MAX };

    /// Before all entries from `moment` on.
    pub fn before_all_at(moment: DateTime<Utc>) -> Self {
        Self { created_at: moment, id: 0 }
    }
}

/// The end of the year 9999: a database has no later moment.
const LATEST: DateTime<Utc> = DateTime::from_timestamp(253_402_300_799, 0).expect("it is a moment");

impl Entry {
    /// Where it is.
    pub fn place(&self) -> Place {
        Place { created_at: self.created_at, id: self.id }
    }
}
