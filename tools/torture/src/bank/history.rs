//! What the clients asked for and what they were told: the only thing that the wallet is measured against.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Money from one account to another.
    Transfer {
        /// Who pays.
        from: i64,
        /// Who is paid.
        to: i64,
        /// Who gets a third of it, if it is split.
        second: Option<i64>,
        /// Completed at once, not decided later.
        one_step: bool,
    },
    /// Some of the money of a completed transaction back.
    Refund {
        /// Which transaction.
        of: i64,
    },
    /// Money comes in.
    TopUp {
        /// Whose account.
        user: i64,
    },
    /// Money goes out.
    Debit {
        /// Whose account.
        user: i64,
    },
}

/// What a client was told of it at last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Nothing certain: a time-out, a broken connection, a 5xx, "still running".
    Unknown,
    /// It is done; for a transfer, under this number and with this status.
    Done(Option<(i64, Status)>),
    /// It is not done and will not be.
    Refused,
}

/// The status of a transaction, as far as clients tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Money is set aside.
    Pending,
    /// Money has moved.
    Completed,
    /// It has not.
    Cancelled,
}

/// A request under its `Idempotency-Key`, however often it was sent.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// What for.
    pub asked: Asked,
    /// How much, in whole units.
    pub amount: i64,
    /// What came of it.
    pub told: Told,
}

/// All requests by their keys, and what clients saw that must not be.
#[derive(Debug, Default)]
pub struct Log {
    /// Requests by key.
    pub requests: BTreeMap<String, Request>,
    /// How many times requests were sent.
    pub sent: u64,
    /// How many of them were sent once more under a known key.
    pub repeated: u64,
    /// Answers that contradict an earlier one.
    pub contradictions: Vec<String>,
}

/// A log that all clients share.
#[derive(Debug, Clone, Default)]
pub struct History(Arc<Mutex<Log>>);

impl History {
    /// Lets `look` see or change the log.
    pub fn with<T>(&self, look: impl FnOnce(&mut Log) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that a request is about to be sent.
    pub fn invoke(&self, key: &str, asked: Asked, amount: i64) {
        self.with(|log| {
            log.sent += 1;
            let request = Request { asked, amount, told: Told::Unknown };
            if log.requests.contains_key(key) {
                log.repeated += 1;
            } else {
                log.requests.insert(key.to_owned(), request);
            }
        });
    }

    /// Notes what was told of a request.
    pub fn told(&self, key: &str, told: Told) {
        self.with(|log| {
            let Some(request) = log.requests.get_mut(key) else { return };
            if let Some(contradiction) = contradiction(request.told, told) {
                log.contradictions.push(format!("{key}: {contradiction}"));
            }
            request.told = latest(request.told, told);
        });
    }
}

/// What is certain after both. An answer that is repeated may be older than the one before it.
fn latest(before: Told, now: Told) -> Told {
    match (before, now) {
        (before, Told::Unknown) => before,
        (Told::Done(Some((_, Status::Completed | Status::Cancelled))), Told::Done(Some((_, Status::Pending)))) => {
            before
        }
        (_, now) => now,
    }
}

/// What was certain stays so.
fn contradiction(before: Told, now: Told) -> Option<String> {
    let agrees = match (before, now) {
        (Told::Unknown, _) | (_, Told::Unknown) | (Told::Refused, Told::Refused) => true,
        (Told::Done(before), Told::Done(now)) => before.zip(now).is_none_or(|((id, before), (same, now))| {
            id == same && (before == now || before == Status::Pending || now == Status::Pending)
        }),
        (Told::Done(_), Told::Refused) | (Told::Refused, Told::Done(_)) => false,
    };
    (!agrees).then(|| format!("first {before:?}, then {now:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_certain_cannot_change() {
        let done = |id| Told::Done(Some((id, Status::Pending)));
        assert!(contradiction(Told::Unknown, Told::Refused).is_none());
        assert!(contradiction(done(1), Told::Unknown).is_none());
        assert!(contradiction(done(1), done(2)).is_some(), "one key, two transactions");
        let with = |status| Told::Done(Some((1, status)));
        assert!(contradiction(done(1), with(Status::Completed)).is_none());
        assert!(contradiction(with(Status::Completed), with(Status::Cancelled)).is_some());
        assert_eq!(latest(with(Status::Completed), done(1)), with(Status::Completed));
        assert!(contradiction(Told::Refused, done(1)).is_some());
    }
}
