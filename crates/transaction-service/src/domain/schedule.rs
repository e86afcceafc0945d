//! Schedules: payments that are made again and again, and what becomes of them. Pure: the row is locked, or guarded by its version.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use common::{idempotency::fingerprint, labels::Labels};
use money::{Amount, Money, ScheduleId, UserId, time::midnight};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    intent::{NewTransaction, Request},
    recurrence::Recurrence,
    shares::Share,
    step::Failure,
};

/// Whether a schedule runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, strum::EnumString, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ScheduleStatus {
    /// It runs on its dates.
    Active,
    /// Its dates pass without a run.
    Paused,
    /// It never runs again.
    Ended,
}

/// Why a schedule has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, strum::EnumString, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum EndReason {
    /// There are no more dates before its end.
    EndReached,
    /// The sender's account is closed.
    UserNotFound,
    /// The receiver's account is closed, or never was there.
    ReceiverNotFound,
    /// It was deleted.
    Deleted,
}

mysql::stored_as_text!(ScheduleStatus, EndReason);

/// What each run of a schedule pays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Payment {
    pub sender_id: UserId,
    pub receiver_id: UserId,
    pub amount: Amount,
    pub description: String,
    #[serde(flatten)]
    pub labels: Labels,
    /// True if the money moves in one step.
    pub auto_complete: bool,
    /// Who are paid how much of it, if they are several; the first is the receiver.
    pub shares: Vec<Share>,
}

impl Payment {
    /// True unless several are paid more or less than the amount.
    fn adds_up(&self) -> bool {
        let sum: Money = self.shares.iter().map(|share| share.amount).sum();
        self.shares.is_empty() || sum == self.amount.money()
    }
}

/// A schedule that somebody wants to make.
#[derive(Debug, Clone)]
pub struct NewSchedule {
    pub payment: Payment,
    pub recurrence: Recurrence,
}

/// A schedule as it stands.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub id: ScheduleId,
    pub payment: Payment,
    pub recurrence: Recurrence,
    pub status: ScheduleStatus,
    /// Why it has ended, once it has.
    pub reason: Option<EndReason>,
    /// The number of the date that is next, run or not.
    pub next_run: u32,
    /// Rises with every change.
    pub version: i32,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What is to change of a schedule.
#[derive(Debug, Clone, Default)]
pub struct ScheduleChange {
    /// True if it is to be active, false if it is to be paused.
    pub active: Option<bool>,
    /// The amount of later runs.
    pub amount: Option<Amount>,
    /// The description of later runs.
    pub description: Option<String>,
    /// The last day on which it may run.
    pub end: Option<NaiveDate>,
}

/// Why a schedule cannot be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unchangeable {
    /// It has ended.
    Ended,
    /// It would end before it starts.
    EndBeforeStart,
    /// Its amount is split, and the shares add up to it.
    Shared,
}

impl Schedule {
    /// The date on which it runs next; `None` unless it is active.
    pub fn next_date(&self) -> Option<NaiveDate> {
        (self.status == ScheduleStatus::Active).then(|| self.recurrence.date(self.next_run)).flatten()
    }

    /// The dates on which it runs next, at most `count`.
    pub fn next_dates(&self, count: usize) -> Vec<NaiveDate> {
        if self.status != ScheduleStatus::Active {
            return Vec::new();
        }
        self.recurrence.dates(self.next_run).take(count).collect()
    }

    /// When it runs next, where days are those of `zone`; `None` unless it is active.
    pub fn due_at(&self, zone: Tz) -> Option<DateTime<Utc>> {
        self.next_date().map(|date| midnight(date, zone))
    }

    /// The transaction of its next date, and the request that makes it: the same one however often it is asked for, also with
    /// another amount. `None` unless it is active, or if its shares do not add up to its amount, which no instance of this version lets be.
    pub fn run(&self) -> Option<(NewTransaction, Request)> {
        let identity = format!("schedule {} {}", self.id, self.next_date()?);
        if !self.payment.adds_up() {
            return None;
        }
        let Payment { sender_id, receiver_id, amount, description, labels, auto_complete, shares } =
            self.payment.clone();
        let new = NewTransaction {
            sender_id,
            receiver_id,
            amount,
            description,
            auto_complete,
            labels,
            refund_of: None,
            batch_id: None,
            execute_at: None,
            schedule_id: Some(self.id),
            shares,
        };
        let fingerprint = fingerprint(&identity);
        Some((new, Request { identity, fingerprint }))
    }

    /// Goes on to the next date after a run that failed for this reason, if it did. A party that has no account will never have
    /// it again, so the schedule ends; whatever else a run fails for, the next one may not.
    pub fn has_run(&mut self, failure: Option<Failure>, now: DateTime<Utc>) {
        self.next_run += 1;
        match failure {
            Some(Failure::UserNotFound) => self.end(EndReason::UserNotFound),
            Some(Failure::ReceiverNotFound) => self.end(EndReason::ReceiverNotFound),
            _ => self.end_if_over(),
        }
        self.touch(now);
    }

    /// Changes it, on this day. What it missed while it was paused, that day's date included, is skipped.
    ///
    /// # Errors
    /// If it has ended, would end before it starts, or if the amount of a split payment would change.
    pub fn change(&mut self, change: ScheduleChange, today: NaiveDate, now: DateTime<Utc>) -> Result<(), Unchangeable> {
        let ScheduleChange { active, amount, description, end } = change;
        if self.status == ScheduleStatus::Ended {
            return Err(Unchangeable::Ended);
        }
        if end.is_some_and(|end| end < self.recurrence.start) {
            return Err(Unchangeable::EndBeforeStart);
        }
        if !self.payment.shares.is_empty() && amount.is_some_and(|amount| amount != self.payment.amount) {
            return Err(Unchangeable::Shared);
        }
        self.recurrence.end = end.or(self.recurrence.end);
        self.payment.amount = amount.unwrap_or(self.payment.amount);
        self.payment.description = description.unwrap_or_else(|| self.payment.description.clone());
        match active {
            Some(true) if self.status == ScheduleStatus::Paused => {
                self.status = ScheduleStatus::Active;
                self.next_run = self.next_run.max(self.recurrence.first_after(today));
            }
            Some(false) => self.status = ScheduleStatus::Paused,
            Some(true) | None => {}
        }
        self.end_if_over();
        self.touch(now);
        Ok(())
    }

    /// Deletes it: it is seen no more, and never runs again.
    pub fn delete(&mut self, now: DateTime<Utc>) {
        if self.status != ScheduleStatus::Ended {
            self.end(EndReason::Deleted);
        }
        self.deleted_at = Some(now);
        self.touch(now);
    }

    fn end_if_over(&mut self) {
        if self.recurrence.date(self.next_run).is_none() {
            self.end(EndReason::EndReached);
        }
    }

    fn end(&mut self, reason: EndReason) {
        (self.status, self.reason) = (ScheduleStatus::Ended, Some(reason));
    }

    fn touch(&mut self, now: DateTime<Utc>) {
        self.version += 1;
        self.updated_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::recurrence::Every;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn schedule(start: &str, end: Option<&str>) -> Schedule {
        Schedule {
            id: 5.try_into().unwrap(),
            payment: Payment {
                sender_id: 1.try_into().unwrap(),
                receiver_id: 2.try_into().unwrap(),
                amount: "10".parse().unwrap(),
                description: "Rent".into(),
                labels: Labels::default(),
                auto_complete: true,
                shares: Vec::new(),
            },
            recurrence: Recurrence { every: Every::Month, start: day(start), end: end.map(day) },
            status: ScheduleStatus::Active,
            reason: None,
            next_run: 0,
            version: 1,
            deleted_at: None,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }

    fn active(active: bool) -> ScheduleChange {
        ScheduleChange { active: Some(active), ..ScheduleChange::default() }
    }

    fn change(schedule: &mut Schedule, change: ScheduleChange, today: &str) -> Result<(), Unchangeable> {
        schedule.change(change, day(today), DateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_run_is_known_by_its_schedule_and_its_date_whatever_it_pays() {
        let mut monthly = schedule("2026-12-31", None);
        let (new, request) = monthly.run().unwrap();
        assert_eq!((new.schedule_id, request.identity.as_str()), (Some(monthly.id), "schedule 5 2026-12-31"));
        monthly.payment.amount = "20".parse().unwrap();
        assert_eq!(monthly.run().unwrap().1.fingerprint, request.fingerprint);
        monthly.has_run(Some(Failure::InsufficientBalance), DateTime::UNIX_EPOCH);
        monthly.has_run(None, DateTime::UNIX_EPOCH);
        assert_eq!(monthly.run().unwrap().1.identity, "schedule 5 2027-02-28");
        let shown: Vec<String> = monthly.next_dates(2).iter().map(NaiveDate::to_string).collect();
        assert_eq!((shown, monthly.version), (vec!["2027-02-28".into(), "2027-03-31".into()], 3));
    }

    #[test]
    fn what_is_split_runs_only_as_long_as_its_shares_add_up() {
        let mut split = schedule("2026-12-31", None);
        let share = |user: i64, units: i64| Share::new(user.try_into().unwrap(), units.into());
        split.payment.shares = vec![share(2, 4), share(3, 6)];
        assert_eq!(split.run().unwrap().0.shares, split.payment.shares);
        let other = ScheduleChange { amount: Some("20".parse().unwrap()), ..ScheduleChange::default() };
        assert_eq!(change(&mut split, other, "2026-12-01"), Err(Unchangeable::Shared));
        split.payment.amount = "20".parse().unwrap(); // by an older version
        assert!(split.run().is_none() && split.next_date().is_some());
    }

    #[test]
    fn it_runs_at_midnight_of_the_zone() {
        let due = schedule("2026-12-31", None).due_at("Asia/Jakarta".parse().unwrap()).unwrap();
        assert_eq!(due.to_rfc3339(), "2026-12-30T17:00:00+00:00");
    }

    #[test]
    fn it_ends_after_its_last_date_or_with_an_account() {
        let after = |end, failure| {
            let mut monthly = schedule("2026-12-31", end);
            monthly.has_run(failure, DateTime::UNIX_EPOCH);
            (monthly.status, monthly.reason, monthly.next_date())
        };
        let ended = |reason| (ScheduleStatus::Ended, Some(reason), None);
        let goes_on = (ScheduleStatus::Active, None, Some(day("2027-01-31")));
        assert_eq!(after(Some("2027-01-31"), None), goes_on, "the end is inclusive");
        assert_eq!(after(Some("2027-01-30"), None), ended(EndReason::EndReached));
        assert_eq!(after(None, Some(Failure::UserNotFound)), ended(EndReason::UserNotFound));
        assert_eq!(after(None, Some(Failure::ReceiverNotFound)), ended(EndReason::ReceiverNotFound));
        for passing in [Failure::InsufficientBalance, Failure::ReceiverUnavailable, Failure::NotHeld] {
            assert_eq!(after(None, Some(passing)), goes_on, "{passing:?}");
        }
    }

    #[test]
    fn what_was_missed_while_paused_is_skipped_and_what_an_outage_missed_is_not() {
        let mut monthly = schedule("2026-12-31", None);
        change(&mut monthly, active(true), "2027-03-15").unwrap();
        assert_eq!(monthly.next_date(), Some(day("2026-12-31")), "it was active all the time");
        change(&mut monthly, active(false), "2027-01-15").unwrap();
        assert_eq!((monthly.next_date(), monthly.next_dates(3), monthly.run().is_some()), (None, Vec::new(), false));
        change(&mut monthly, active(true), "2027-03-31").unwrap();
        assert_eq!(monthly.next_date(), Some(day("2027-04-30")), "that day's midnight was missed");
        let mut later = schedule("2026-12-31", None);
        change(&mut later, active(false), "2026-12-01").unwrap();
        change(&mut later, active(true), "2026-12-02").unwrap();
        assert_eq!(later.next_date(), Some(day("2026-12-31")));
    }

    #[test]
    fn an_end_can_be_moved_and_what_has_ended_stays_so() {
        let end = |text: &str| ScheduleChange { end: Some(day(text)), ..ScheduleChange::default() };
        let mut monthly = schedule("2026-12-31", Some("2027-01-31"));
        assert_eq!(change(&mut monthly, end("2026-12-30"), "2026-12-01"), Err(Unchangeable::EndBeforeStart));
        change(&mut monthly, end("2026-12-31"), "2026-12-01").unwrap();
        assert_eq!(monthly.next_dates(3), [day("2026-12-31")]);
        monthly.has_run(None, DateTime::UNIX_EPOCH);
        assert_eq!(change(&mut monthly, end("2027-12-31"), "2027-01-01"), Err(Unchangeable::Ended));
        let mut paused = schedule("2026-12-31", Some("2027-01-31"));
        change(&mut paused, active(false), "2026-12-01").unwrap();
        change(&mut paused, active(true), "2027-02-01").unwrap();
        assert_eq!((paused.status, paused.reason), (ScheduleStatus::Ended, Some(EndReason::EndReached)));
        paused.delete(DateTime::UNIX_EPOCH);
        assert_eq!(paused.reason, Some(EndReason::EndReached));
        let mut deleted = schedule("2026-12-31", None);
        deleted.delete(DateTime::UNIX_EPOCH);
        assert_eq!((deleted.reason, deleted.next_date()), (Some(EndReason::Deleted), None));
    }
}
