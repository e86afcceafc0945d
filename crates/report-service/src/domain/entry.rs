//! An entry: one movement of the balance that a user can spend.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use money::{Money, TransactionId, UserId};
use serde::Deserialize;

/// One movement of the balance that a user can spend, as it stands in the copy of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
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

/// Whose entries: those of a user, without what is older than its account. That belonged to somebody else who had the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Whose {
    /// The user.
    pub user: UserId,
    /// From when on there is anything of its account.
    pub since: DateTime<Utc>,
}

impl Whose {
    /// What `user` has from `since` on; all that there is, if nobody says since when.
    pub fn of(user: UserId, since: Option<DateTime<Utc>>) -> Self {
        Self { user, since: since.unwrap_or(DateTime::UNIX_EPOCH) }
    }
}

/// A place in the ledger of one user, at an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When the entry was made.
    pub created_at: DateTime<Utc>,
    /// Which one.
    pub id: i64,
}

/// As a `Link` carries it: the moment in microseconds, and the entry.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.created_at.timestamp_micros(), self.id)
    }
}

impl FromStr for Place {
    type Err = NoPlace;
    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let number = |text: &str| {
            let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if is_plain { text.parse().ok() } else { None }
        };
        let (moment, id) = text.split_once('-').ok_or(NoPlace)?;
        let created_at = number(moment).and_then(DateTime::from_timestamp_micros).filter(|moment| *moment <= LATEST);
        Ok(Self { created_at: created_at.ok_or(NoPlace)?, id: number(id).ok_or(NoPlace)? })
    }
}

/// A text that is no place.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("must come from a Link header")]
pub struct NoPlace;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written_and_nothing_else_is_one() {
        let place = Place { created_at: DateTime::from_timestamp_micros(1_762_000_000_000_001).unwrap(), id: 65_537 };
        assert_eq!(place.to_string(), "1762000000000001-65537");
        assert_eq!(place.to_string().parse(), Ok(place));
        for text in ["", "-", "1", "1-", "-1", "1-+1", "1-1-1", "1--1", "a-1", "9223372036854775807-1"] {
            assert_eq!(text.parse::<Place>(), Err(NoPlace), "{text:?}");
        }
    }
}
