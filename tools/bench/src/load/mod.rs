//! The load generator: a closed loop, in which each connection sends its next request when the last one is answered.
//!
//! It shares the processors with what it measures, so it is one thread with one runtime of its own, and takes as little
//! of them as a client can.

pub mod connection;
pub mod people;
pub mod workload;

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use tokio::{sync::oneshot, task::LocalSet};

use super::cpu::{CpuUse, Watched};
use connection::Connection;
use workload::{Verdict, Workload};

/// How long after its time a load may still wait for answers.
pub const OVERTIME: Duration = Duration::from_mins(1);
/// The longest latency that is told apart, in microseconds.
const MAX_LATENCY: u64 = 120_000_000;

/// A load on one service.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where the service listens.
    pub address: SocketAddr,
    /// How many connections are kept open, each with one request under way.
    pub connections: usize,
    /// The time before the measured time.
    pub warm_up: Duration,
    /// The measured time.
    pub measured: Duration,
    /// What is sent.
    pub workload: Workload,
    /// Whose processor time is taken meanwhile.
    pub watched: Watched,
}

/// What a load brought. Nothing that was begun is left out of `acknowledged` and `refused`.
#[derive(Debug)]
pub struct Outcome {
    /// Turns that succeeded, whenever they did.
    pub acknowledged: u64,
    /// Turns that were refused as they had to be, whenever they were.
    pub refused: u64,
    /// Turns that ended in the measured time.
    pub counted: u64,
    /// The measured time.
    pub measured: Duration,
    /// Of the counted turns, in microseconds.
    pub latency: Histogram<u64>,
    /// The processor time that was used in the measured time.
    pub cpu: CpuUse,
}

/// What the connections of a load have seen so far.
#[derive(Debug)]
pub struct Tally {
    start: Instant,
    end: Instant,
    acknowledged: u64,
    refused: u64,
    counted: u64,
    latency: Histogram<u64>,
    failure: Option<anyhow::Error>,
}

impl Tally {
    /// An empty one, whose measured time begins after `warm_up`.
    pub fn new(warm_up: Duration, measured: Duration) -> Result<Self> {
        let start = Instant::now() + warm_up;
        let latency = Histogram::new_with_bounds(1, MAX_LATENCY, 3).context("the bounds are right")?;
        let end = start + measured;
        Ok(Self { start, end, acknowledged: 0, refused: 0, counted: 0, latency, failure: None })
    }

    /// When the measured time begins and ends.
    pub fn time(&self) -> (Instant, Instant) {
        (self.start, self.end)
    }

    /// True while another turn may begin.
    pub fn goes_on(&self) -> bool {
        self.failure.is_none() && Instant::now() < self.end
    }

    /// Notes `count` turns that began and ended together.
    pub fn note(&mut self, begun: Instant, verdict: Verdict, count: u64) {
        match verdict {
            Verdict::Acknowledged => self.acknowledged += count,
            Verdict::Refused => self.refused += count,
        }
        let now = Instant::now();
        if (self.start..self.end).contains(&now) {
            self.counted += count;
            let micros = u64::try_from((now - begun).as_micros()).unwrap_or(MAX_LATENCY);
            self.latency.saturating_record_n(micros, count);
        }
    }

    /// What it comes to, with the processor time of the measured time.
    pub fn outcome(self, cpu: CpuUse) -> Result<Outcome> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let Self { acknowledged, refused, counted, latency, .. } = self;
        if counted == 0 {
            bail!("no request was answered in the measured time");
        }
        Ok(Outcome { acknowledged, refused, counted, measured: self.end - self.start, latency, cpu })
    }
}

/// Runs `work` to its end on a runtime of its own in a thread of its own, so that its processor time is that thread's.
pub async fn in_own_thread<T, W, F>(limit: Duration, work: W) -> Result<T>
where
    T: Send + 'static,
    W: FnOnce() -> F + Send + 'static,
    F: Future<Output = Result<T>> + 'static,
{
    let (done, outcome) = oneshot::channel();
    let generate = move || -> Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, work())
    };
    thread::Builder::new().name("load".to_owned()).spawn(move || done.send(generate()).ok())?;
    let waiting = tokio::time::timeout(limit, outcome).await;
    waiting.context("the load does not end: something does not answer any more")?.context("the load panicked")?
}

/// Runs a load.
pub async fn run(load: Load) -> Result<Outcome> {
    in_own_thread(load.warm_up + load.measured + OVERTIME, || generate(load)).await
}

async fn generate(load: Load) -> Result<Outcome> {
    let mut connections = Vec::with_capacity(load.connections);
    for _ in 0..load.connections {
        connections.push(Connection::open(load.address).await?);
    }
    let tally = Tally::new(load.warm_up, load.measured)?;
    let watching = tokio::task::spawn_local(load.watched.over(tally.time()));
    let tally = Rc::new(RefCell::new(tally));
    let calls =
        connections.into_iter().map(|c| tokio::task::spawn_local(call(c, load.workload.clone(), tally.clone())));
    futures::future::join_all(calls).await;
    let tally = Rc::into_inner(tally).context("every connection has ended")?.into_inner();
    let cpu = if tally.failure.is_some() { CpuUse::default() } else { watching.await?? };
    tally.outcome(cpu)
}

/// One connection's requests, until the time is over. The last one is waited for.
async fn call(mut connection: Connection, workload: Workload, tally: Rc<RefCell<Tally>>) {
    let mut random = fastrand::Rng::new();
    while tally.borrow().goes_on() {
        let begun = Instant::now();
        let turn = workload.turn(&mut connection, &mut random).await;
        let mut tally = tally.borrow_mut();
        match turn {
            Ok(verdict) => tally.note(begun, verdict, 1),
            Err(error) => {
                tally.failure.get_or_insert(error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_turns_count_as_acknowledged_and_not_in_the_figure() {
        let mut tally = Tally::new(Duration::from_mins(1), Duration::from_mins(1)).unwrap();
        tally.note(Instant::now(), Verdict::Acknowledged, 2);
        assert_eq!((tally.acknowledged, tally.counted), (2, 0));
        assert!(tally.outcome(CpuUse::default()).is_err(), "nothing was measured");
    }

    #[test]
    fn the_measured_time_counts_each_verdict() {
        let mut tally = Tally::new(Duration::ZERO, Duration::from_mins(1)).unwrap();
        tally.note(Instant::now(), Verdict::Acknowledged, 1);
        tally.note(Instant::now(), Verdict::Refused, 3);
        let outcome = tally.outcome(CpuUse::default()).unwrap();
        assert_eq!((outcome.acknowledged, outcome.refused, outcome.counted), (1, 3, 4));
        assert_eq!(outcome.latency.len(), 4);
    }

    #[tokio::test]
    async fn work_in_its_own_thread_brings_its_outcome_back() {
        let limit = Duration::from_secs(10);
        let name = in_own_thread(limit, || async { Ok(thread::current().name().map(str::to_owned)) }).await;
        assert_eq!(name.unwrap().as_deref(), Some("load"));
        let failed = in_own_thread::<(), _, _>(limit, || async { bail!("no") }).await;
        assert_eq!(failed.unwrap_err().to_string(), "no");
    }
}
