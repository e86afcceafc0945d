//! What stands at the head of a statement, and what follows.

use chrono::{DateTime, Utc};
use money::{Money, UserId};

use crate::domain::{entry::Entry, language::Language, period::ClosedPeriod, verification::VerificationCode};

/// What is known of a statement before its entries are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Whose account it is of.
    pub user_id: UserId,
    /// What the user is called.
    pub name: String,
    /// The code of the wallet's currency.
    pub currency: String,
    /// From when until when.
    pub period: ClosedPeriod,
    /// What stands in the period, added up.
    pub totals: Totals,
}

/// The entries of a period, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// The balance before the first one.
    pub opening_balance: Money,
    /// The balance after the last one.
    pub closing_balance: Money,
    /// By how much the balance rose.
    pub total_in: Money,
    /// By how much it fell; not negative.
    pub total_out: Money,
    /// How many there are.
    pub entries: u64,
}

/// An entry, and who the other one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The entry.
    pub entry: Entry,
    /// The display name of its counterparty, if it has one.
    pub counterparty: Option<String>,
}

/// What only a PDF says.
#[derive(Debug, Clone)]
pub struct Issue {
    /// In which language it is written.
    pub language: Language,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// By which code anybody can verify it.
    pub code: VerificationCode,
}
