//! What goes wrong: once, at one side of one point.

use std::{collections::BTreeMap, fmt};

use lab::wallet::Service;

use super::points::Point;

/// How many times a point is reached by a fault of its own: what comes more often is more of the same.
const MAX_TIMES: u32 = 12;
/// The sides of a point.
pub(super) const SIDES: [&str; 2] = ["before", "after"];

/// What a failpoint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The process dies.
    Abort,
    /// What was done fails, or its outcome never comes.
    Error,
    /// It takes longer than usual.
    Delay,
}

/// Something that goes wrong once on a day.
#[derive(Debug, Clone)]
pub struct Fault {
    pub(super) point: Point,
    pub(super) side: &'static str,
    /// How many times the point is passed unharmed before.
    pub(super) spared: u32,
    pub(super) action: Action,
}

/// Which faults are tried.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Only those at sides whose name begins so, such as `ledger` or `ledger.after`.
    pub point: String,
    /// Only one side of each point: the first half or the second one, in which it is the other side.
    pub half: Option<u8>,
    /// With a seed, each side once, with an action and a time that the seed chooses. Without, each action, each time that
    /// a point is reached on a day.
    pub seed: Option<u64>,
}

impl Selection {
    pub(super) fn has(&self, point: &Point, side: &str) -> bool {
        let name = format!("{}.{side}", point.name);
        // the names of the two sides differ by an odd number
        let half = 1 + u8::from(name.bytes().map(u32::from).sum::<u32>() % 2 == 1);
        name.starts_with(&self.point) && self.half.is_none_or(|wanted| wanted == half)
    }
}

impl Fault {
    pub(super) fn name(&self) -> String {
        format!("{}.{}", self.point.name, self.side)
    }

    pub(super) fn environment(&self) -> String {
        let action = match self.action {
            Action::Abort => "abort",
            Action::Error => "error",
            Action::Delay => "delay",
        };
        let also = self.companion().map(|also| format!(";{also}")).unwrap_or_default();
        match self.spared {
            0 => format!("{}=1*return({action}){also}", self.name()),
            spared => format!("{}={spared}*off->1*return({action}){also}", self.name()),
        }
    }

    pub(super) fn companion(&self) -> Option<&'static str> {
        companion(&self.point)
    }
}

/// What must go wrong as well for a point to be reached: a point that only failures lead to.
pub(super) fn companion(point: &Point) -> Option<&'static str> {
    match (point.service(), point.name.as_str()) {
        (Service::Notification, "try_later") => Some("mail.before=1*return(error)"),
        // others wait for a mail that takes its time
        (Service::Notification, "renew" | "give_back") => Some("mail.before=2*return(delay)"),
        // asked twice, and no answer: the settler asks again
        (Service::Transaction, "overdue") => Some("call.operations.after=2*return(error)"),
        (Service::Transaction, "batch.overdue") => Some("call.batch.after=2*return(error)"),
        (Service::Transaction, "postpone") => Some("call.operations.before=1*off->2*return(error)"),
        _ => None,
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.point.service().name(), self.environment())
    }
}

/// How often each side of each point was reached.
pub(super) type Reached = BTreeMap<(Point, &'static str), u32>;

pub(super) fn choose(selection: &Selection, reached: &Reached) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut random = selection.seed.map(fastrand::Rng::with_seed);
    for ((point, side), times) in reached.iter().filter(|((point, side), _)| selection.has(point, side)) {
        let times = (*times).clamp(1, MAX_TIMES);
        let all =
            (0..times).flat_map(|spared| [Action::Abort, Action::Error, Action::Delay].map(|action| (spared, action)));
        let all: Vec<(u32, Action)> = all.collect();
        let chosen = match &mut random {
            None => all,
            Some(random) => vec![all[random.usize(..all.len())]],
        };
        faults.extend(chosen.into_iter().map(|(spared, action)| Fault { point: point.clone(), side, spared, action }));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_of_each_point_is_in_one_half() {
        let half = |half| Selection { point: String::new(), half: Some(half), seed: None };
        for name in ["ledger", "call.operations", "overdue"] {
            let point = Point::new(Service::User, name);
            let sides = [1, 2].map(|number| SIDES.map(|side| half(number).has(&point, side)));
            assert!(matches!(sides, [[true, false], [false, true]] | [[false, true], [true, false]]), "{sides:?}");
        }
    }
}
