//! What a user's entries of a period come to: in all, and by day, week, month, kind or counterparty. Pure.

use std::{cmp::Reverse, collections::BTreeMap};

use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use chrono_tz::Tz;
use money::{Money, TransactionId, UserId, time::day_of};
use schemars::JsonSchema;
use serde::Deserialize;

use super::entry::Entry;

/// The most groups that are told apart; what does not belong to the largest is added up.
pub const MAX_GROUPS: usize = 1_000;

/// By what entries are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum GroupBy {
    /// The day.
    Day,
    /// The week, which begins on Monday.
    Week,
    /// The month.
    Month,
    /// Who paid or was paid.
    Counterparty,
    /// What the entry is.
    Kind,
}

/// What the entries of a group have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A day; of a week, its Monday.
    Day(NaiveDate),
    /// The first day of a month.
    Month(NaiveDate),
    /// The word for what they are.
    Kind(String),
    /// Who is on the other side, if somebody is.
    Counterparty(Option<UserId>),
}

/// What entries add up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    pub total_in: Money,
    /// Positive.
    pub total_out: Money,
    /// How many entries.
    pub count: u64,
}

/// The groups of a period.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// The largest first: those through which most money went.
    pub groups: Vec<(Key, Sum)>,
    /// What the others come to, if there are more than [`MAX_GROUPS`].
    pub other: Option<Sum>,
}

/// Adds entries up.
#[derive(Debug)]
pub struct Adder {
    by: Option<GroupBy>,
    zone: Tz,
    groups: BTreeMap<Key, Sum>,
    /// The transaction of each entry that is of one.
    transactions: Vec<TransactionId>,
    entries: usize,
    /// What transactions took, less what came back of it.
    pub spent: Money,
    /// What transactions brought, less what went back of it.
    pub received: Money,
    /// When the newest entry of a transaction was made.
    pub last_transaction: Option<DateTime<Utc>>,
}

impl Sum {
    /// What went through.
    fn turnover(&self) -> Money {
        self.total_in + self.total_out
    }

    fn add(&mut self, other: Self) {
        self.total_in = self.total_in + other.total_in;
        self.total_out = self.total_out + other.total_out;
        self.count += other.count;
    }
}

impl From<Money> for Sum {
    fn from(amount: Money) -> Self {
        let nothing = Money::ZERO;
        let (total_in, total_out) = if amount < nothing { (nothing, nothing - amount) } else { (amount, nothing) };
        Self { total_in, total_out, count: 1 }
    }
}

impl Adder {
    /// Nothing yet; days are those of `zone`.
    pub fn new(by: Option<GroupBy>, zone: Tz) -> Self {
        Self {
            by,
            zone,
            groups: BTreeMap::new(),
            transactions: Vec::new(),
            entries: 0,
            spent: Money::ZERO,
            received: Money::ZERO,
            last_transaction: None,
        }
    }

    /// Adds an entry. Entries come in the order of the ledger.
    pub fn add(&mut self, entry: &Entry) {
        self.entries += 1;
        if let Some(by) = self.by {
            self.groups.entry(key(by, self.zone, entry)).or_default().add(entry.amount.into());
        }
        let Some(transaction) = entry.transaction_id else { return };
        self.transactions.push(transaction);
        self.last_transaction = Some(entry.created_at);
        // what comes back was spent before, and what goes back was received
        let came_in = entry.amount > Money::ZERO;
        let is_return = matches!(entry.kind.as_str(), "release" | "refund");
        if came_in == is_return {
            self.spent = self.spent - entry.amount;
        } else {
            self.received = self.received + entry.amount;
        }
    }

    /// How many entries were added.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// How many transactions they are of.
    pub fn transactions(&mut self) -> usize {
        self.transactions.sort_unstable();
        self.transactions.dedup();
        self.transactions.len()
    }

    /// The groups, if there are to be any.
    pub fn groups(self) -> Option<Groups> {
        self.by?;
        let mut groups: Vec<(Key, Sum)> = self.groups.into_iter().collect();
        groups.sort_by_key(|(_, sum)| Reverse(sum.turnover())); // equal ones stay in the order of their keys
        let rest = groups.split_off(groups.len().min(MAX_GROUPS));
        let other = rest.into_iter().map(|(_, sum)| sum).reduce(|mut all, sum| {
            all.add(sum);
            all
        });
        Some(Groups { groups, other })
    }
}

fn key(by: GroupBy, zone: Tz, entry: &Entry) -> Key {
    let day = day_of(entry.created_at, zone);
    match by {
        GroupBy::Day => Key::Day(day),
        GroupBy::Week => Key::Day(day - Days::new(day.weekday().num_days_from_monday().into())),
        GroupBy::Month => Key::Month(day.with_day(1).unwrap_or(day)),
        GroupBy::Counterparty => Key::Counterparty(entry.counterparty_id),
        GroupBy::Kind => Key::Kind(entry.kind.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: &str, kind: &str, amount: i64, transaction: Option<i64>, counterparty: Option<i64>) -> Entry {
        Entry {
            id: 1,
            user_id: 1.try_into().unwrap(),
            created_at: at.parse().unwrap(),
            kind: kind.to_owned(),
            amount: amount.into(),
            balance_after: Money::ZERO,
            counterparty_id: counterparty.map(|id| id.try_into().unwrap()),
            transaction_id: transaction.map(|id| id.try_into().unwrap()),
            reference: None,
            description: None,
        }
    }

    fn some() -> Vec<Entry> {
        vec![
            entry("2026-11-29T16:59:59Z", "topup", 1_000, None, None),
            entry("2026-11-29T17:00:00Z", "hold", -300, Some(1), Some(2)),
            entry("2026-11-30T10:00:00Z", "release", 100, Some(1), Some(2)),
            entry("2026-11-30T17:00:00Z", "transfer", -50, Some(2), Some(3)),
            entry("2026-12-01T10:00:00Z", "refund", 20, Some(3), Some(3)),
            entry("2026-12-06T17:00:00Z", "capture", 70, Some(4), Some(2)),
            entry("2026-12-07T10:00:00Z", "refund", -30, Some(5), Some(2)),
            entry("2026-12-07T11:00:00Z", "payout", -780, None, None),
        ]
    }

    fn added(by: Option<GroupBy>) -> Adder {
        let mut adder = Adder::new(by, Tz::Asia__Jakarta);
        for entry in some() {
            adder.add(&entry);
        }
        adder
    }

    fn shown(by: GroupBy) -> Vec<(String, i64, i64, u64)> {
        let whole = |money: Money| money.to_string().parse().unwrap();
        let shown = |(key, sum): (Key, Sum)| {
            let key = match key {
                Key::Day(day) | Key::Month(day) => day.to_string(),
                Key::Kind(kind) => kind,
                Key::Counterparty(user) => user.map_or_else(|| "nobody".to_owned(), |user| user.to_string()),
            };
            (key, whole(sum.total_in), whole(sum.total_out), sum.count)
        };
        added(Some(by)).groups().unwrap().groups.into_iter().map(shown).collect()
    }

    fn group(key: &str, total_in: i64, total_out: i64, count: u64) -> (String, i64, i64, u64) {
        (key.to_owned(), total_in, total_out, count)
    }

    #[test]
    fn what_comes_back_was_not_spent_and_what_goes_back_was_not_received() {
        let mut adder = added(None);
        assert_eq!((adder.spent, adder.received), (230.into(), 40.into()));
        assert_eq!((adder.entries(), adder.transactions()), (8, 5));
        assert_eq!(adder.last_transaction, Some("2026-12-07T10:00:00Z".parse().unwrap()));
        assert_eq!(adder.groups(), None);
    }

    #[test]
    fn days_weeks_and_months_are_those_of_the_zone_and_the_largest_is_first() {
        assert_eq!(
            shown(GroupBy::Day),
            [
                group("2026-11-29", 1_000, 0, 1),
                group("2026-12-07", 70, 810, 3),
                group("2026-11-30", 100, 300, 2),
                group("2026-12-01", 20, 50, 2),
            ]
        );
        assert_eq!(
            shown(GroupBy::Week),
            [group("2026-11-23", 1_000, 0, 1), group("2026-12-07", 70, 810, 3), group("2026-11-30", 120, 350, 4)]
        );
        assert_eq!(shown(GroupBy::Month), [group("2026-11-01", 1_100, 300, 3), group("2026-12-01", 90, 860, 5)]);
    }

    #[test]
    fn whoever_is_on_the_other_side_is_a_group_and_so_is_nobody() {
        assert_eq!(
            shown(GroupBy::Counterparty),
            [group("nobody", 1_000, 780, 2), group("2", 170, 330, 4), group("3", 20, 50, 2)]
        );
        assert_eq!(shown(GroupBy::Kind)[..2], [group("topup", 1_000, 0, 1), group("payout", 0, 780, 1)]);
    }

    #[test]
    fn what_is_beyond_the_most_groups_is_added_up() {
        let mut adder = Adder::new(Some(GroupBy::Counterparty), Tz::UTC);
        for user in 1..=i64::try_from(MAX_GROUPS).unwrap() + 2 {
            adder.add(&entry("2026-11-29T00:00:00Z", "transfer", -user, Some(user), Some(user)));
        }
        let Groups { groups, other } = adder.groups().unwrap();
        assert_eq!(groups.len(), MAX_GROUPS);
        assert_eq!(other, Some(Sum { total_in: Money::ZERO, total_out: 3.into(), count: 2 }));
        let mut adder = Adder::new(Some(GroupBy::Kind), Tz::UTC);
        adder.add(&entry("2026-11-29T00:00:00Z", "transfer", -1, Some(1), Some(1)));
        assert_eq!(adder.groups().unwrap().other, None);
    }
}
