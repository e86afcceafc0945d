//! Rounds of a load, and the figures that they come to.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use serde::Serialize;

use super::{
    books,
    cpu::{CpuUse, PARTS},
    load::{self, Outcome, workload::Kind},
    plan::Effort,
    site::Site,
};

/// What several rounds have in common.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// The one in the middle.
    pub median: f64,
    /// The greatest.
    pub max: f64,
}

/// The figures of a scenario.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// The scenario, or the side of a comparison.
    pub name: String,
    /// What is counted.
    pub unit: &'static str,
    /// Connections with one request under way on each.
    pub connections: usize,
    /// How often it was measured.
    pub rounds: usize,
    /// How long each time.
    pub seconds: f64,
    /// Turns that ended in a second of the measured time.
    pub per_second: Spread,
    /// The latency that half of the turns stayed within, in milliseconds.
    pub p50_ms: Spread,
    /// The latency that 99 of 100 turns stayed within, in milliseconds.
    pub p99_ms: Spread,
    /// Acknowledged in all, warm-up included; the rows were compared with it.
    pub acknowledged: u64,
    /// Refused as they had to be, in all.
    pub refused: u64,
    /// Facts that were in the outboxes at its end.
    pub backlog: Option<u64>,
    /// Processor time for each turn, in microseconds, by who used it.
    pub cpu_micros: BTreeMap<&'static str, f64>,
    /// How many processors all of them kept busy.
    pub busy_cores: f64,
}

/// A scenario while its rounds are run.
#[derive(Debug)]
pub struct Series {
    name: String,
    connections: usize,
    kind: Kind,
    outcomes: Vec<Outcome>,
}

/// A count as a float, to divide it.
#[expect(clippy::cast_precision_loss, reason = "figures need four digits, and no money is counted here")]
pub fn float(count: u64) -> f64 {
    count as f64
}

impl Spread {
    /// Of at least one value.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = match sorted.get(middle) {
            Some(upper) if sorted.len().is_multiple_of(2) => f64::midpoint(sorted[middle - 1], *upper),
            Some(middle) => *middle,
            None => f64::NAN,
        };
        let end = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        Self { min: end(sorted.first()), median, max: end(sorted.last()) }
    }
}

impl Outcome {
    /// Turns that ended in a second of the measured time.
    pub fn per_second(&self) -> f64 {
        float(self.counted) / self.measured.as_secs_f64()
    }

    fn latency_ms(&self, quantile: f64) -> f64 {
        float(self.latency.value_at_quantile(quantile)) / 1000.0
    }
}

impl Series {
    /// A scenario without rounds so far.
    pub fn new(name: impl Into<String>, connections: usize, kind: Kind) -> Self {
        Self { name: name.into(), connections, kind, outcomes: Vec::new() }
    }

    /// Runs one round and compares the rows that it left with what was acknowledged.
    pub async fn round(&mut self, site: &mut Site, effort: &Effort) -> Result<()> {
        let marks = books::marks(site).await?;
        let load = site.load(self.connections, self.kind, effort)?;
        let outcome = load::run(load).await.with_context(|| self.name.clone())?;
        self.compare(site, &marks, &outcome).await?;
        self.outcomes.push(outcome);
        Ok(())
    }

    /// The same with another load beside it, which is not counted. Returns what that one brought.
    pub async fn round_beside(
        &mut self,
        site: &mut Site,
        effort: &Effort,
        connections: usize,
        kind: Kind,
    ) -> Result<Outcome> {
        let marks = books::marks(site).await?;
        let (load, other) = (site.load(self.connections, self.kind, effort)?, site.load(connections, kind, effort)?);
        let (outcome, other) =
            tokio::try_join!(load::run(load), load::run(other)).with_context(|| self.name.clone())?;
        self.compare(site, &marks, &outcome).await?;
        self.outcomes.push(outcome);
        Ok(other)
    }

    async fn compare(&self, site: &Site, marks: &books::Marks, outcome: &Outcome) -> Result<()> {
        let rows = self.kind.rows(outcome.acknowledged, outcome.refused);
        books::compare(site, marks, &rows).await.with_context(|| format!("{} does not balance", self.name))
    }

    /// The figures, when everything that they claim has been proved.
    pub fn finish(self, backlog: Option<u64>) -> Measured {
        measured(self.name, self.kind.unit(), self.connections, &self.outcomes, backlog)
    }
}

/// The figures of some rounds.
pub fn measured(
    name: String,
    unit: &'static str,
    connections: usize,
    outcomes: &[Outcome],
    backlog: Option<u64>,
) -> Measured {
    let of = |figure: &dyn Fn(&Outcome) -> f64| Spread::of(outcomes.iter().map(figure));
    let count = |figure: fn(&Outcome) -> u64| outcomes.iter().map(figure).sum::<u64>();
    let cpu = CpuUse::sum(outcomes.iter().map(|outcome| outcome.cpu));
    let time: Duration = outcomes.iter().map(|outcome| outcome.measured).sum();
    let counted = float(count(|outcome| outcome.counted));
    let micros = |used: Duration| used.as_secs_f64() * 1e6 / counted;
    Measured {
        name,
        unit,
        connections,
        rounds: outcomes.len(),
        seconds: outcomes.first().map_or(0.0, |outcome| outcome.measured.as_secs_f64()),
        per_second: of(&Outcome::per_second),
        p50_ms: of(&|outcome| outcome.latency_ms(0.5)),
        p99_ms: of(&|outcome| outcome.latency_ms(0.99)),
        acknowledged: count(|outcome| outcome.acknowledged),
        refused: count(|outcome| outcome.refused),
        backlog,
        cpu_micros: PARTS.into_iter().zip(cpu.0).filter_map(|(part, used)| Some((part, micros(used?)))).collect(),
        busy_cores: cpu.total().as_secs_f64() / time.as_secs_f64(),
    }
}

#[cfg(test)]
pub mod tests {
    use hdrhistogram::Histogram;

    use super::*;

    /// A round of one second with `counted` turns of 2 ms each.
    pub fn outcome(counted: u64) -> Outcome {
        let mut latency = Histogram::new_with_bounds(1, 1_000_000, 3).unwrap();
        latency.record_n(2000, counted).unwrap();
        let cpu = CpuUse([Some(Duration::from_millis(100)); PARTS.len()]);
        let measured = Duration::from_secs(1);
        Outcome { acknowledged: counted + 5, refused: 1, counted, measured, latency, cpu }
    }

    #[test]
    fn a_spread_has_the_ends_and_the_middle() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { min: 1.0, median: 2.0, max: 3.0 });
        assert_eq!(Spread::of([4.0, 1.0]), Spread { min: 1.0, median: 2.5, max: 4.0 });
        assert_eq!(Spread::of([7.0]), Spread { min: 7.0, median: 7.0, max: 7.0 });
    }

    #[test]
    fn rounds_come_to_figures() {
        let rounds = [outcome(1000), outcome(4000), outcome(2000)];
        let measured = measured("x".to_owned(), "transfers", 16, &rounds, Some(3));
        assert_eq!(measured.per_second, Spread { min: 1000.0, median: 2000.0, max: 4000.0 });
        assert!((measured.p99_ms.median - 2.0).abs() < 0.01, "{:?}", measured.p99_ms);
        assert_eq!((measured.acknowledged, measured.refused, measured.rounds), (7015, 3, 3));
        assert!((measured.cpu_micros["database"] - 300_000.0 / 7000.0).abs() < 1e-6);
        assert!((measured.busy_cores - 0.6).abs() < 1e-6);
    }
}
