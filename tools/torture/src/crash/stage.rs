//! A wallet on which one day after the other goes by, and services that come back when they die.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    pin::pin,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use lab::wallet::Service;
use tokio::time::sleep;

use super::{
    day::Day,
    fault::{Action, Fault, Reached, SIDES, companion},
    picture::{self, Picture},
    points::{Point, points},
};
use lab::world::World;

/// How soon everything must have come to its end once the service that died is back: what it held for 3 s at most runs out, a second
/// later somebody looks, and the rest is for a machine that is busy with other days. How long it took is in the report.
const RECOVERS_WITHIN: Duration = Duration::from_secs(8);
/// What is added to that where a failpoint makes somebody wait.
const DELAY: Duration = Duration::from_secs(2);
/// How long the settler waits before it asks again, in a day on which more than one thing goes wrong.
const SETTLED_AFTER: Duration = Duration::from_secs(4);
/// How long a day goes on for what the background has yet to reach: it works once a second or so.
const COMES_WITHIN: Duration = Duration::from_secs(2);
/// Days until something is reached that depends on the moment at which the background comes by.
pub(super) const MOST_DAYS: u32 = 3;
/// Connections of a service to the database, so that those of all wallets stay below what MySQL takes as it comes, 151.
const POOL_SIZE: &str = "4";
/// Those for reads, beside them.
const READ_POOL_SIZE: &str = "2";
/// How often it is looked at.
const POLL: Duration = Duration::from_millis(20);
/// How often the end of a day is looked at: a look costs dozens of requests.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What came of a day with a fault.
pub(super) struct Outcome {
    /// How long anything took at most, without what the fault itself waits.
    pub(super) took: Duration,
    /// Whether the fault took place.
    pub(super) took_place: bool,
    pub(super) violations: Vec<String>,
}

/// The wallet on which all days take place.
pub(super) struct Stage {
    world: World,
    days: u32,
}

impl Stage {
    pub(super) async fn build() -> Result<Self> {
        let mut settings =
            vec![(Service::Report, "REPORT_SYNC_INTERVAL", "1"), (Service::User, "LEDGER_AUDIT_INTERVAL", "1")];
        for service in Service::ALL {
            settings.extend([(service, "DB_POOL_SIZE", POOL_SIZE), (service, "DB_READ_POOL_SIZE", READ_POOL_SIZE)]);
        }
        let world = World::start_with(&settings).await;
        let mut stage = Self { world, days: 0 };
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

    pub(super) fn reached(&self) -> Result<Reached> {
        let mut reached = Reached::new();
        for service in Service::ALL {
            for (name, times) in self.reached_by(service)? {
                reached.insert(side(service, &name)?, times);
            }
        }
        Ok(reached)
    }

    pub(super) async fn reached_with_companion(&mut self, point: &Point, expected: &Picture) -> Result<Reached> {
        let also = companion(point).context("it has one")?;
        self.restart(point.service(), also).await?;
        let (_, violations) = self.day(expected, None).await?;
        ensure!(violations.is_empty(), "{also}: {violations:?}");
        let reached = self.reached()?;
        Ok(reached.into_iter().filter(|((reached, _), _)| reached == point).collect())
    }

    async fn new_day(&mut self) -> Result<Day> {
        self.days += 1;
        let services = Service::ALL.map(|service| self.world.service(service));
        let pools = Service::ALL.map(|service| self.world.pool(service));
        Day::new(self.days, services, pools).await
    }

    /// What a day looks like on which nothing goes wrong. It lasts until the background has been everywhere, too.
    pub(super) async fn ordinary_day(&mut self) -> Result<Picture> {
        let mut day = self.new_day().await?;
        day.live().await?;
        let ended = Instant::now();
        while !picture::is_quiet(&day).await? {
            ensure!(ended.elapsed() < RECOVERS_WITHIN, "an ordinary day does not come to its end");
            sleep(POLL).await;
        }
        while ended.elapsed() < COMES_WITHIN {
            if is_everywhere(&self.reached()?) {
                break;
            }
            sleep(POLL).await;
        }
        picture::take(&day).await
    }

    /// What happens in the background may happen less often than on the day without a fault, or not at all: then the first time is taken, of
    /// some day.
    pub(super) async fn day_with_any(&mut self, mut fault: Fault, expected: &Picture) -> Result<(Fault, Outcome)> {
        let (mut days, mut violations) = (1, Vec::new());
        loop {
            let mut outcome = self.day_with(&fault, expected).await.with_context(|| fault.to_string())?;
            violations.append(&mut outcome.violations);
            if outcome.took_place || days == MOST_DAYS {
                return Ok((fault, Outcome { violations, ..outcome }));
            }
            (fault.spared, days) = (0, days + 1);
        }
    }

    async fn day_with(&mut self, fault: &Fault, expected: &Picture) -> Result<Outcome> {
        let service = fault.point.service();
        if let Err(error) = self.restart(service, &fault.environment()).await {
            // some points are reached before the service is ready
            let died = self.world.wallet.ended().is_some_and(|(ended, _)| ended == service);
            ensure!(died && fault.action == Action::Abort, "{error:#}");
            let _ = self.bring_back().await?;
        }
        let (took, mut violations) = self.day(expected, Some(fault)).await?;
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
        let took_place = self.has_come(Some(fault))?;
        if !took_place {
            self.restart(service, "").await?; // lest it happens on another day
        }
        Ok(Outcome { took: took.saturating_sub(waiting), took_place, violations })
    }

    /// Whether `fault`, if there is to be one, has taken place.
    fn has_come(&self, fault: Option<&Fault>) -> Result<bool> {
        let Some(fault) = fault else { return Ok(true) };
        let reached = self.reached_by(fault.point.service())?;
        Ok(reached.get(&fault.name()).is_some_and(|times| *times > fault.spared))
    }

    /// A day, with services that come back when they die, and what is wrong with its end. It lasts until `fault` has taken
    /// place, if that is something that the background will soon reach.
    async fn day(&mut self, expected: &Picture, fault: Option<&Fault>) -> Result<(Duration, Vec<String>)> {
        let mut day = self.new_day().await?;
        let mut violations = Vec::new();
        {
            let mut living = pin!(day.live());
            let lived = loop {
                tokio::select! {
                    lived = &mut living => break lived,
                    () = sleep(POLL) => drop(self.bring_back().await?),
                }
            };
            if let Err(error) = lived {
                violations.push(format!("{error:#}"));
            }
        }
        let (mut came, mut ended) = (self.has_come(fault)?, Instant::now());
        let found = loop {
            if self.bring_back().await? {
                ended = Instant::now();
            }
            let look = if picture::is_quiet(&day).await? { Some(picture::take(&day).await) } else { None };
            let late = ended.elapsed() > RECOVERS_WITHIN + DELAY + SETTLED_AFTER;
            if !came && (ended.elapsed() > COMES_WITHIN || self.has_come(fault)?) {
                (came, ended) = (true, Instant::now());
            }
            match look {
                Some(Ok(picture)) if (picture == *expected && came) || late => break Some(picture),
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

    /// Starts services that have died again, as whoever runs them would; false if there were none.
    async fn bring_back(&mut self) -> Result<bool> {
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

/// True if every side is reached that no failure has to lead to.
pub(super) fn is_everywhere(reached: &Reached) -> bool {
    let points = points().into_iter().filter(|point| companion(point).is_none());
    points.flat_map(|point| SIDES.map(|side| (point.clone(), side))).all(|side| reached.contains_key(&side))
}

fn side(service: Service, name: &str) -> Result<(Point, &'static str)> {
    let (point, side) = name.rsplit_once('.').context("a failpoint has a side")?;
    let side = SIDES.into_iter().find(|known| *known == side).context("a side has a name")?;
    Ok((Point::new(service, point), side))
}
