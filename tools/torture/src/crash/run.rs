//! One day for each fault, and what came of them.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::Result;
use futures::future::try_join_all;

use super::{
    fault::{Fault, SIDES, Selection, choose, companion},
    points::{Point, points},
    stage::{MOST_DAYS, Outcome, Stage, is_everywhere},
};

/// Days that go by at the same time, each in a wallet of its own: most of a day is waiting.
const STAGES: usize = 5;

/// What came of all days.
#[derive(Debug, Default)]
pub struct Report {
    /// Sides of points that there are.
    pub sides: usize,
    /// Those at which a fault took place.
    pub hit: usize,
    /// Those at which none did.
    pub missed: Vec<String>,
    /// Faults that took place.
    pub faults: usize,
    /// What was not as it must be, with the fault.
    pub violations: Vec<String>,
    /// The longest that anything took after a fault.
    pub slowest: Duration,
    /// Which fault that was.
    pub slowest_fault: String,
}

/// Lives a day without a fault, and then one for each fault that `selection` names.
pub async fn run(selection: &Selection, progress: &dyn Fn(&str)) -> Result<Report> {
    let mut stages = try_join_all((0..STAGES).map(|_| Stage::build())).await?;
    progress("a day without a fault");
    let expected = stages[0].ordinary_day().await?;
    let mut reached = stages[0].reached()?;
    for _ in 1..MOST_DAYS {
        if is_everywhere(&reached) {
            break;
        }
        stages[0].ordinary_day().await?;
        for (side, _) in stages[0].reached()? {
            reached.entry(side).or_insert(1);
        }
    }
    let tried = |point: &Point| SIDES.iter().any(|side| selection.has(point, side));
    let hidden = points().into_iter().filter(|point| companion(point).is_some() && tried(point));
    let found = on_all(&mut stages, hidden, async |stage, point| stage.reached_with_companion(&point, &expected).await);
    reached.extend(found.await?.into_iter().flatten());
    let faults = choose(selection, &reached);
    let count = faults.len();
    let days = on_all(&mut stages, faults.into_iter().enumerate(), async |stage, (index, fault)| {
        let (fault, outcome) = stage.day_with_any(fault, &expected).await?;
        progress(&format!("{} of {count}: {fault}", index + 1));
        outcome.violations.iter().for_each(|violation| progress(&format!("  {violation}")));
        Ok((fault, outcome))
    });
    Ok(report(selection, &days.await?))
}

/// Has each stage do one piece of `work` after the other until none is left, and returns what came of them.
async fn on_all<W, T>(
    stages: &mut [Stage],
    work: impl Iterator<Item = W>,
    one: impl AsyncFn(&mut Stage, W) -> Result<T>,
) -> Result<Vec<T>> {
    let (work, one) = (&Mutex::new(work), &one);
    let done = stages.iter_mut().map(async |stage| {
        let mut done = Vec::new();
        loop {
            let next = work.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(next) = next else { return anyhow::Ok(done) };
            done.push(one(stage, next).await?);
        }
    });
    Ok(try_join_all(done).await?.into_iter().flatten().collect())
}

fn report(selection: &Selection, days: &[(Fault, Outcome)]) -> Report {
    let mut report = Report::default();
    let mut hit = BTreeSet::new();
    for (fault, outcome) in days {
        if outcome.took_place {
            report.faults += 1;
            hit.insert((fault.point.clone(), fault.side));
        }
        if outcome.took > report.slowest {
            (report.slowest, report.slowest_fault) = (outcome.took, fault.to_string());
        }
        report.violations.extend(outcome.violations.iter().map(|violation| format!("{fault}: {violation}")));
    }
    report.hit = hit.len();
    for point in points() {
        for side in SIDES.into_iter().filter(|side| selection.has(&point, side)) {
            report.sides += 1;
            if !hit.contains(&(point.clone(), side)) {
                report.missed.push(format!("{} {}.{side}", point.service().name(), point.name));
            }
        }
    }
    report
}
