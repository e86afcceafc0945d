//! The chain of a user's entries: each begins with the balance that the one before has left. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use money::{Money, UserId};

use super::entry::Entry;

/// How far a user's entries go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// The newest entry.
    pub entry_id: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The balance after it.
    pub balance: Money,
}

/// An entry that does not begin with the balance that is there: one before it is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("entry {entry_id} of user {user} begins with {begins_with}, and there are {balance}")]
pub struct Broken {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub entry_id: i64,
    /// The balance before it.
    pub begins_with: Money,
    /// The balance that is there.
    pub balance: Money,
}

/// Appends `entries`, which come in the order of the ledger, to those of `accounts`, and returns those that are new. What is there
/// already is passed over, so that it counts once however often it comes. The time of one user does not go back.
pub fn append(
    accounts: &mut BTreeMap<UserId, Account>,
    entries: impl IntoIterator<Item = Entry>,
) -> Result<Vec<Entry>, Broken> {
    let mut added = Vec::new();
    for mut entry in entries {
        let before = accounts.get(&entry.user_id).copied();
        if before.is_some_and(|account| entry.id <= account.entry_id) {
            continue;
        }
        let (user, entry_id, begins_with) = (entry.user_id, entry.id, entry.balance_after - entry.amount);
        let balance = before.map_or(Money::ZERO, |account| account.balance);
        if begins_with != balance {
            return Err(Broken { user, entry_id, begins_with, balance });
        }
        entry.created_at = before.map_or(entry.created_at, |account| account.created_at.max(entry.created_at));
        accounts.insert(user, Account { entry_id, created_at: entry.created_at, balance: entry.balance_after });
        added.push(entry);
    }
    Ok(added)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An entry of a user, at a second.
    fn entry(id: i64, user: i64, second: i64, amount: i64, balance_after: i64) -> Entry {
        Entry {
            id,
            user_id: user.try_into().unwrap(),
            created_at: DateTime::from_timestamp(second, 0).unwrap(),
            kind: "topup".to_owned(),
            amount: amount.into(),
            balance_after: balance_after.into(),
            counterparty_id: None,
            transaction_id: None,
            reference: None,
            description: None,
        }
    }

    #[test]
    fn a_clock_that_goes_back_does_not_turn_the_order_round() {
        let mut accounts = BTreeMap::new();
        let added = append(&mut accounts, [entry(1, 1, 9, 5, 5), entry(2, 1, 7, 5, 10), entry(3, 2, 7, 1, 1)]).unwrap();
        let seconds: Vec<i64> = added.iter().map(|entry| entry.created_at.timestamp()).collect();
        assert_eq!(seconds, [9, 9, 7]);
    }

    #[test]
    fn an_entry_that_is_missing_shows_at_the_next_one() {
        let mut accounts = BTreeMap::new();
        append(&mut accounts, [entry(1, 1, 1, 5, 5)]).unwrap();
        let broken = append(&mut accounts.clone(), [entry(3, 1, 3, 5, 15)]).unwrap_err();
        assert_eq!((broken.entry_id, broken.begins_with, broken.balance), (3, 10.into(), 5.into()));
        let both = [entry(2, 1, 2, 5, 10), entry(3, 1, 3, 5, 15)];
        assert_eq!(append(&mut accounts, both).unwrap().len(), 2, "once it is there, both follow");
    }

    proptest! {
        #[test]
        fn whatever_comes_again_counts_once(
            amounts in prop::collection::vec((1_i64..4, 1_i64..100), 1..60),
            pages in prop::collection::vec((0_usize..60, 1_usize..20), 1..20),
        ) {
            let mut balances = BTreeMap::new();
            let ledger: Vec<Entry> = (1..).zip(&amounts).map(|(id, (user, amount))| {
                let balance = balances.entry(*user).or_insert(0);
                *balance += amount;
                entry(id, *user, id, *amount, *balance)
            }).collect();
            let (mut accounts, mut taken) = (BTreeMap::new(), Vec::new());
            // pages that go back as far as they like, and never leave anything out
            for (back, length) in pages.into_iter().chain([(60, 60)]) {
                let first = taken.len().saturating_sub(back);
                taken.extend(append(&mut accounts, ledger.iter().skip(first).take(back + length).cloned()).unwrap());
            }
            prop_assert_eq!(taken, ledger);
        }
    }
}
