//! One day for each fault, and what came of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::PathBuf,
    pin::pin,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use futures::future::try_join_all;
use harness::{http::Api, wallet::Service};
use tokio::time::sleep;

use super::{
    day::Day,
    picture::{self, Picture},
    points::{Point, points},
};
use crate::World;

/// How soon everything must have come to its end once the service that died is back.
pub const RECOVERS_WITHIN: Duration = Duration::from_secs(5);
/// What is added to that where a failpoint makes somebody wait.
const DELAY: Duration = Duration::from_secs(2);
/// How long the settler waits before it asks again, in a day on which more than one thing goes wrong.
const SETTLED_AFTER: Duration = Duration::from_secs(4);
/// How often it is looked at.
const POLL: Duration = Duration::from_millis(20);
/// How many times a point is reached by a fault of its own: what comes more often is more of the same.
const MAX_TIMES: u32 = 12;

/// How often the end of a day is looked at: a look costs dozens of requests.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// The sides of a point.
const SIDES: [&str; 2] = ["before", "after"];
/// Days that go by at the same time, each in a wallet of its own: most of a day is waiting.
const STAGES: usize = 5;

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
    point: Point,
    side: &'static str,
    /// How many times the point is passed unharmed before.
    spared: u32,
    action: Action,
}

/// Which faults are tried.
#[derive(Debug, Clone, Copy)]
pub enum Selection {
    /// Each action, each time that a point is reached on a day.
    All,
    /// Each point once on each side, with an action and a time that the seed chooses.
    Some {
        /// Repeats the choice.
        seed: u64,
    },
}

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

impl Fault {
    fn name(&self) -> String {
        format!("{}.{}", self.point.name, self.side)
    }

    fn environment(&self) -> String {
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

    fn companion(&self) -> Option<&'static str> {
        companion(&self.point)
    }
}

/// What must go wrong as well for a point to be reached: a point that only failures lead to.
fn companion(point: &Point) -> Option<&'static str> {
    match (point.service(), point.name.as_str()) {
        (Service::Notification, "try_later") => Some("mail.before=1*return(error)"),
        // others wait for a mail that takes its time
        (Service::Notification, "renew" | "give_back") => Some("mail.before=2*return(delay)"),
        // asked twice, and no answer: the settler asks again
        (Service::Transaction, "overdue") => Some("call.operations.after=2*return(error)"),
        (Service::Transaction, "postpone") => Some("call.operations.before=1*off->2*return(error)"),
        _ => None,
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.point.service().name(), self.environment())
    }
}

/// Lives a day without a fault, and then one for each fault that `selection` names.
pub async fn run(selection: Selection, progress: &dyn Fn(&str)) -> Result<Report> {
    let mut stage = Stage::build().await?;
    progress("a day without a fault");
    let expected = stage.ordinary_day().await?;
    let mut reached = stage.reached()?;
    for point in points().iter().filter(|point| companion(point).is_some()) {
        reached.extend(stage.reached_with_companion(point, &expected).await?);
    }
    let faults = choose(selection, &reached);
    let count = faults.len();
    let queue = Mutex::new(faults.into_iter().enumerate());
    let mut stages = vec![stage];
    while stages.len() < STAGES {
        stages.push(Stage::build().await?);
    }
    let work = stages.into_iter().map(async |mut stage| {
        let mut days = Vec::new();
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((index, fault)) = next else { return anyhow::Ok(days) };
            let (fault, outcome) = stage.day_with_any(fault, &expected).await?;
            progress(&format!("{} of {count}: {fault}", index + 1));
            outcome.violations.iter().for_each(|violation| progress(&format!("  {violation}")));
            days.push((fault, outcome));
        }
    });
    let days = try_join_all(work).await?.into_iter().flatten().collect::<Vec<_>>();
    Ok(report(&days))
}

fn report(days: &[(Fault, Outcome)]) -> Report {
    let mut report = Report { sides: points().len() * 2, ..Report::default() };
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
        let missed = SIDES.iter().filter(|side| !hit.contains(&(point.clone(), **side)));
        report.missed.extend(missed.map(|side| format!("{} {}.{side}", point.service().name(), point.name)));
    }
    report
}

/// How often each side of each point was reached.
type Reached = BTreeMap<(Point, &'static str), u32>;

fn choose(selection: Selection, reached: &Reached) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut random = match selection {
        Selection::All => None,
        Selection::Some { seed } => Some(fastrand::Rng::with_seed(seed)),
    };
    for ((point, side), times) in reached {
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

/// What came of a day with a fault.
struct Outcome {
    /// How long anything took at most, without what the fault itself waits.
    took: Duration,
    /// Whether the fault took place.
    took_place: bool,
    violations: Vec<String>,
}

/// The wallet on which all days take place.
struct Stage {
    world: World,
    /// Callers of its services.
    services: [Api; 4],
    days: u32,
}

impl Stage {
    async fn build() -> Result<Self> {
        let world = World::start_with(&[(Service::Report, "REPORT_SYNC_INTERVAL", "1")]).await;
        let services = Service::ALL.map(|service| world.service(service));
        let mut stage = Self { world, services, days: 0 };
        for service in Service::ALL {
            let file = stage.reached_file(service).display().to_string();
            stage.world.wallet.set(service, "FAILPOINTS_REACHED", &file);
            stage.restart(service, "").await?;
        }
        Ok(stage)
    }

    fn reached_file(&self, service: Service) -> PathBuf {
        self.world.wallet.mail().with_file_name(format!("{}.reached", service.name()))
    }

    async fn restart(&mut self, service: Service, failpoints: &str) -> Result<()> {
        fs::remove_file(self.reached_file(service)).ok();
        self.world.wallet.set(service, "FAILPOINTS", failpoints);
        self.world.wallet.kill(service);
        self.world.wallet.start_again(service).await
    }

    fn reached_by(&self, service: Service) -> Result<BTreeMap<String, u32>> {
        let mut times = BTreeMap::new();
        let file = self.reached_file(service);
        if file.exists() {
            for line in fs::read_to_string(&file).with_context(|| file.display().to_string())?.lines() {
                *times.entry(line.to_owned()).or_default() += 1;
            }
        }
        Ok(times)
    }

    fn reached(&self) -> Result<Reached> {
        let mut reached = Reached::new();
        for service in Service::ALL {
            for (name, times) in self.reached_by(service)? {
                reached.insert(side(service, &name)?, times);
            }
        }
        Ok(reached)
    }

    async fn reached_with_companion(&mut self, point: &Point, expected: &Picture) -> Result<Reached> {
        let also = companion(point).context("it has one")?;
        self.restart(point.service(), also).await?;
        let (_, violations) = self.day(expected).await?;
        ensure!(violations.is_empty(), "{also}: {violations:?}");
        let reached = self.reached()?;
        Ok(reached.into_iter().filter(|((reached, _), _)| reached == point).collect())
    }

    async fn new_day(&mut self) -> Result<Day> {
        self.days += 1;
        let pools = Service::ALL.map(|service| self.world.pool(service));
        Day::new(self.days, self.services.clone(), pools).await
    }

    /// What a day looks like on which nothing goes wrong.
    async fn ordinary_day(&mut self) -> Result<Picture> {
        let mut day = self.new_day().await?;
        day.live().await?;
        let deadline = Instant::now() + RECOVERS_WITHIN;
        while !picture::is_quiet(&day).await? {
            ensure!(Instant::now() < deadline, "an ordinary day does not come to its end");
            sleep(POLL).await;
        }
        picture::take(&day).await
    }

    /// What happens in the background may happen less often than on the day without a fault: then the first time is taken.
    async fn day_with_any(&mut self, fault: Fault, expected: &Picture) -> Result<(Fault, Outcome)> {
        let outcome = self.day_with(&fault, expected).await.with_context(|| fault.to_string())?;
        if outcome.took_place || fault.spared == 0 {
            return Ok((fault, outcome));
        }
        let first = Fault { spared: 0, ..fault };
        let outcome = self.day_with(&first, expected).await.with_context(|| first.to_string())?;
        Ok((first, outcome))
    }

    async fn day_with(&mut self, fault: &Fault, expected: &Picture) -> Result<Outcome> {
        let service = fault.point.service();
        if let Err(error) = self.restart(service, &fault.environment()).await {
            // some points are reached before the service is ready
            let died = self.world.wallet.ended().is_some_and(|(ended, _)| ended == service);
            ensure!(died && fault.action == Action::Abort, "{error:#}");
            self.bring_back().await?;
        }
        let (took, mut violations) = self.day(expected).await?;
        let mut waiting = Duration::ZERO;
        if fault.action == Action::Delay {
            waiting += DELAY;
        }
        if fault.companion().is_some() {
            waiting += SETTLED_AFTER;
        }
        if took > RECOVERS_WITHIN + waiting {
            violations.push(format!("it took {took:?}"));
        }
        let took_place = self.reached_by(service)?.get(&fault.name()).is_some_and(|times| *times > fault.spared);
        if !took_place {
            self.restart(service, "").await?; // lest it happens on another day
        }
        Ok(Outcome { took: took.saturating_sub(waiting), took_place, violations })
    }

    /// A day, with services that come back when they die, and what is wrong with its end.
    async fn day(&mut self, expected: &Picture) -> Result<(Duration, Vec<String>)> {
        let mut day = self.new_day().await?;
        let mut violations = Vec::new();
        {
            let mut living = pin!(day.live());
            let lived = loop {
                tokio::select! {
                    lived = &mut living => break lived,
                    () = sleep(POLL) => self.bring_back().await?,
                }
            };
            if let Err(error) = lived {
                violations.push(format!("{error:#}"));
            }
        }
        let mut ended = Instant::now();
        let found = loop {
            if self.bring_back_any().await? {
                ended = Instant::now();
            }
            let look = if picture::is_quiet(&day).await? { Some(picture::take(&day).await) } else { None };
            let late = ended.elapsed() > RECOVERS_WITHIN + DELAY + SETTLED_AFTER;
            match look {
                Some(Ok(picture)) if picture == *expected || late => break Some(picture),
                Some(Err(error)) if late => {
                    violations.push(format!("{error:#}"));
                    break None;
                }
                None if late => {
                    violations.push("something was left to do".to_owned());
                    break picture::take(&day).await.ok();
                }
                _ => sleep(LOOK_AGAIN).await,
            }
        };
        if let Some(found) = found {
            violations.extend(picture::difference(expected, &found));
        }
        Ok((ended.elapsed().max(day.longest.0), violations))
    }

    async fn bring_back(&mut self) -> Result<()> {
        self.bring_back_any().await.map(drop)
    }

    /// Starts services that have died again, as whoever runs them would.
    async fn bring_back_any(&mut self) -> Result<bool> {
        let mut any = false;
        while let Some((service, status)) = self.world.wallet.ended() {
            if status.success() {
                bail!("{} has ended by itself", service.name());
            }
            any = true;
            self.world.wallet.set(service, "FAILPOINTS", "");
            self.world.wallet.kill(service);
            self.world.wallet.start_again(service).await?;
        }
        Ok(any)
    }
}

fn side(service: Service, name: &str) -> Result<(Point, &'static str)> {
    let (point, side) = name.rsplit_once('.').context("a failpoint has a side")?;
    let side = if side == "before" { "before" } else { "after" };
    Ok((Point::new(service, point), side))
}
