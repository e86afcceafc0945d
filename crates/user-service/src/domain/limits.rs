//! Limits of what an account pays: in one payment, on a day and in a month. Pure.
//!
//! Holds, transfers and debits count when they are made, on the day that it then is in the wallet's time zone. What a release, or a
//! final capture, gives back of a hold no longer counts for that day and its month. Refunds do not count. What is paid while no
//! limit for a day or a month applies to the account is not counted.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use chrono_tz::Tz;
use money::{
    Amount, Money,
    time::{Bound, serialize_written},
};
use schemars::JsonSchema;
use serde::Serialize;

/// Which limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, strum::EnumString, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Limit {
    /// Of one payment.
    PerTransaction,
    /// Of all payments of a day.
    PerDay,
    /// Of all payments of a month.
    PerMonth,
}

mysql::stored_as_text!(Limit);

/// The most that an account pays; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// In one payment.
    pub per_transaction: Option<Amount>,
    /// On a day.
    pub per_day: Option<Amount>,
    /// In a month.
    pub per_month: Option<Amount>,
}

impl Limits {
    /// True if there is any.
    pub fn apply(&self) -> bool {
        self.per_transaction.is_some() || self.have_period()
    }

    /// True if what is paid must be counted.
    pub fn have_period(&self) -> bool {
        self.per_day.is_some() || self.per_month.is_some()
    }
}

/// What is set for one limit of one account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Setting {
    /// Nothing: the wallet's default holds.
    #[default]
    Default,
    /// There is no limit, whatever the default is.
    Unlimited,
    /// This much.
    Most(Amount),
}

impl Setting {
    /// As it is stored: nothing, 0 or the amount.
    pub fn of(stored: Option<Money>) -> Self {
        match stored.map(Amount::try_from) {
            None => Self::Default,
            Some(Ok(amount)) => Self::Most(amount),
            Some(Err(_)) => Self::Unlimited,
        }
    }

    /// What is stored for it.
    pub fn stored(self) -> Option<Money> {
        match self {
            Self::Default => None,
            Self::Unlimited => Some(Money::ZERO),
            Self::Most(amount) => Some(amount.money()),
        }
    }

    /// The limit that holds where `default` is the wallet's.
    pub fn over(self, default: Option<Amount>) -> Option<Amount> {
        match self {
            Self::Default => default,
            Self::Unlimited => None,
            Self::Most(amount) => Some(amount),
        }
    }
}

/// What is set for the limits of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settings {
    /// In one payment.
    pub per_transaction: Setting,
    /// On a day.
    pub per_day: Setting,
    /// In a month.
    pub per_month: Setting,
}

/// What an account has paid that counts: on the newest day on which something did, and in its month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// That day.
    pub on: NaiveDate,
    /// What counts for it.
    pub day: Money,
    /// What counts for its month.
    pub month: Money,
}

impl Spent {
    /// Nothing, on `day`.
    pub fn nothing(day: NaiveDate) -> Self {
        Self { on: day, day: Money::ZERO, month: Money::ZERO }
    }

    /// As it is on `today`. The clocks of instances differ: where a later day has begun, that day goes on.
    #[must_use]
    pub fn at(self, today: NaiveDate) -> Self {
        if today <= self.on {
            return self;
        }
        let month = if is_same_month(today, self.on) { self.month } else { Money::ZERO };
        Self { on: today, day: Money::ZERO, month }
    }

    fn with(self, amount: Amount) -> Self {
        Self { day: self.day + amount.money(), month: self.month + amount.money(), ..self }
    }

    /// With `amount` given back that was counted on that day.
    #[must_use]
    pub fn without(self, amount: Money, counted_on: NaiveDate) -> Self {
        let day = if counted_on == self.on { self.day - amount } else { self.day };
        let month = if is_same_month(counted_on, self.on) { self.month - amount } else { self.month };
        Self { day, month, ..self }
    }
}

fn is_same_month(one: NaiveDate, other: NaiveDate) -> bool {
    (one.year(), one.month()) == (other.year(), other.month())
}

/// By what a payment exceeds a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Exceeded {
    /// Which limit.
    pub limit: Limit,
    /// What may still be paid within it.
    pub remaining: Money,
    /// When more may be; never, for the limit of one payment.
    #[serde(serialize_with = "serialize_written")]
    pub resets_at: Option<DateTime<Utc>>,
}

/// The limits of the wallet, and the day that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The limits of accounts for which nothing else is set.
    pub defaults: Limits,
    /// Where days begin.
    pub zone: Tz,
    /// The day that it is there.
    pub today: NaiveDate,
}

impl Rules {
    /// The rules at the moment `now`.
    pub fn at(defaults: Limits, zone: Tz, now: DateTime<Utc>) -> Self {
        Self { defaults, zone, today: now.with_timezone(&zone).date_naive() }
    }

    /// The limits of an account.
    pub fn limits(&self, settings: Settings) -> Limits {
        Limits {
            per_transaction: settings.per_transaction.over(self.defaults.per_transaction),
            per_day: settings.per_day.over(self.defaults.per_day),
            per_month: settings.per_month.over(self.defaults.per_month),
        }
    }

    /// What counts for an account today.
    pub fn spent(&self, spent: Option<Spent>) -> Spent {
        spent.unwrap_or(Spent::nothing(self.today)).at(self.today)
    }

    /// What counts once `amount` is paid; `None` if nothing is counted. An error if that exceeds a limit.
    pub fn count(&self, settings: Settings, spent: Option<Spent>, amount: Amount) -> Result<Option<Spent>, Exceeded> {
        let limits = self.limits(settings);
        if let Some(limit) = limits.per_transaction.filter(|limit| amount > *limit) {
            return Err(Exceeded { limit: Limit::PerTransaction, remaining: limit.money(), resets_at: None });
        }
        if !limits.have_period() {
            return Ok(None);
        }
        let spent = self.spent(spent);
        let periods = [
            (Limit::PerDay, limits.per_day, spent.day, self.next_day(spent.on)),
            (Limit::PerMonth, limits.per_month, spent.month, self.next_month(spent.on)),
        ];
        for (limit, most, used, resets_at) in periods {
            let left = most.map(|most| remaining(most, used));
            if let Some(remaining) = left.filter(|left| amount.money() > *left) {
                return Err(Exceeded { limit, remaining, resets_at: Some(resets_at) });
            }
        }
        Ok(Some(spent.with(amount)))
    }

    /// When the day after `day` begins.
    pub fn next_day(&self, day: NaiveDate) -> DateTime<Utc> {
        Bound::Day(day).end(self.zone)
    }

    /// When the month after that of `day` begins.
    pub fn next_month(&self, day: NaiveDate) -> DateTime<Utc> {
        let first = if day.month() == 12 {
            NaiveDate::from_ymd_opt(day.year() + 1, 1, 1)
        } else {
            NaiveDate::from_ymd_opt(day.year(), day.month() + 1, 1)
        };
        Bound::Day(first.unwrap_or(day)).begin(self.zone)
    }
}

/// What is left of a limit; nothing, if it was lowered below what is used.
pub fn remaining(limit: Amount, used: Money) -> Money {
    (limit.money() - used).max(Money::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(units: i64) -> Amount {
        units.to_string().parse().unwrap()
    }

    fn rules(now: &str) -> Rules {
        Rules::at(Limits::default(), Tz::Asia__Jakarta, now.parse().unwrap())
    }

    fn per(transaction: Option<i64>, day: Option<i64>, month: Option<i64>) -> Settings {
        let setting = |units: Option<i64>| units.map_or(Setting::Default, |units| Setting::Most(amount(units)));
        Settings { per_transaction: setting(transaction), per_day: setting(day), per_month: setting(month) }
    }

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_limit_that_is_exceeded_is_named_with_what_is_left_and_until_when() {
        let rules = rules("2025-11-30T17:30:00Z"); // the first of December in Jakarta
        let settings = per(Some(50), Some(80), Some(100));
        let exceeded = |spent, units| rules.count(settings, spent, amount(units)).unwrap_err();
        let spent = |day: i64, month: i64| Some(Spent { on: date("2025-12-01"), day: day.into(), month: month.into() });
        let told = |limit, remaining: i64, resets_at: Option<&str>| Exceeded {
            limit,
            remaining: remaining.into(),
            resets_at: resets_at.map(|at| at.parse().unwrap()),
        };
        assert_eq!(exceeded(None, 51), told(Limit::PerTransaction, 50, None));
        assert_eq!(exceeded(spent(60, 60), 21), told(Limit::PerDay, 20, Some("2025-12-01T17:00:00Z")));
        assert_eq!(exceeded(spent(0, 90), 11), told(Limit::PerMonth, 10, Some("2025-12-31T17:00:00Z")));
        assert_eq!(exceeded(spent(90, 90), 1).remaining, Money::ZERO, "the limit was lowered below what is used");
        assert_eq!(rules.count(settings, spent(60, 60), amount(20)), Ok(spent(80, 80)));
    }

    #[test]
    fn a_new_day_and_a_new_month_begin_with_nothing_and_no_day_comes_back() {
        let spent = Spent { on: date("2025-11-29"), day: 10.into(), month: 30.into() };
        let at = |day: &str| (spent.at(date(day)).day, spent.at(date(day)).month, spent.at(date(day)).on == date(day));
        assert_eq!(at("2025-11-29"), (10.into(), 30.into(), true));
        assert_eq!(at("2025-11-30"), (0.into(), 30.into(), true));
        assert_eq!(at("2025-12-01"), (0.into(), 0.into(), true));
        assert_eq!(at("2026-11-29"), (0.into(), 0.into(), true), "the same month of another year");
        assert_eq!(at("2025-11-28"), (10.into(), 30.into(), false), "a clock that is late");
    }

    #[test]
    fn what_is_given_back_goes_to_the_day_and_the_month_in_which_it_was_counted() {
        let spent = Spent { on: date("2025-11-30"), day: 10.into(), month: 30.into() };
        let after = |day: &str| (spent.without(5.into(), date(day)).day, spent.without(5.into(), date(day)).month);
        assert_eq!(after("2025-11-30"), (5.into(), 25.into()));
        assert_eq!(after("2025-11-01"), (10.into(), 25.into()));
        assert_eq!(after("2025-10-31"), (10.into(), 30.into()));
    }

    #[test]
    fn an_account_has_the_defaults_until_something_else_is_set() {
        let defaults = Limits { per_transaction: Some(amount(5)), per_day: None, per_month: Some(amount(9)) };
        let rules = Rules { defaults, ..rules("2025-11-30T00:00:00Z") };
        let settings = Settings { per_month: Setting::Unlimited, ..per(None, Some(7), None) };
        let limits = Limits { per_transaction: Some(amount(5)), per_day: Some(amount(7)), per_month: None };
        assert_eq!(rules.limits(settings), limits);
        for setting in [Setting::Default, Setting::Unlimited, Setting::Most(amount(7))] {
            assert_eq!(Setting::of(setting.stored()), setting);
        }
        assert_eq!(rules.count(per(Some(1), None, None), None, amount(1)).unwrap().unwrap().month, 1.into());
        let unlimited = Rules { defaults: Limits::default(), ..rules };
        assert_eq!(unlimited.count(per(Some(1), None, None), None, amount(1)), Ok(None), "nothing is counted");
    }
}
