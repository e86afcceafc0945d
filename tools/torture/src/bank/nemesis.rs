//! Whoever wants the bank to lose money: a schedule of kills, pauses, broken lines and wrong clocks.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::Result;
use fastrand::Rng;
use lab::wallet::Service;
use tokio::time::sleep_until;

use super::site::{INSTANCES, Mailing, Site};
use lab::proxy::Mode;

/// How long everything works before the first disturbance.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long a paused process stands still.
const PAUSE_SECONDS: std::ops::RangeInclusive<u64> = 5..=15;
/// By how much a clock is wrong.
const CLOCK_ERROR: &str = "3600";

/// Something that goes wrong for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disturbance {
    /// An instance is killed, and started again.
    Kill(Service, usize),
    /// The database server is killed, and started again.
    KillDatabase,
    /// An instance stands still.
    Pause(Service, usize, Duration),
    /// The database server stands still.
    PauseDatabase(Duration),
    /// The way to a service is disturbed.
    Link(Service, Mode, Duration),
    /// A service's way to the database is disturbed.
    DatabaseLink(Service, Mode, Duration),
    /// The mail server does not do its work.
    Mail(Mailing, Duration),
    /// The clock of an instance goes wrong: true if it is fast.
    Clock(Service, usize, bool, Duration),
}

/// A disturbance and when it begins.
#[derive(Debug, Clone)]
pub struct Step {
    /// After the beginning of the run.
    pub at: Duration,
    /// What happens.
    pub what: Disturbance,
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(service, n) => write!(f, "kill -9 {} {n}", service.name()),
            Self::KillDatabase => write!(f, "kill -9 database"),
            Self::Pause(service, n, time) => write!(f, "SIGSTOP {} {n} for {time:?}", service.name()),
            Self::PauseDatabase(time) => write!(f, "SIGSTOP database for {time:?}"),
            Self::Link(service, mode, time) => write!(f, "calls of {} {mode:?} for {time:?}", service.name()),
            Self::DatabaseLink(service, mode, time) => {
                write!(f, "database of {} {mode:?} for {time:?}", service.name())
            }
            Self::Mail(mailing, time) => write!(f, "mail server {mailing:?} for {time:?}"),
            Self::Clock(service, n, fast, time) => {
                let direction = if *fast { "fast" } else { "slow" };
                write!(f, "clock of {} {n} an hour {direction} for {time:?}", service.name())
            }
        }
    }
}

/// The disturbances of a run that lasts `length`: the same ones for the same seed.
pub fn schedule(seed: u64, length: Duration) -> Vec<Step> {
    let mut random = Rng::with_seed(seed);
    let mut steps = Vec::new();
    let mut at = WARM_UP;
    for turn in 0.. {
        let what = match turn % 16 {
            4 | 12 => Disturbance::KillDatabase,
            0 | 2 | 8 | 10 => Disturbance::Kill(any_service(&mut random), random.usize(..INSTANCES)),
            7 => pause(&mut random),
            11 => mail(&mut random),
            15 => clock(&mut random),
            1 | 5 | 9 => Disturbance::Link(
                [Service::User, Service::Transaction, Service::Notification][random.usize(..3)],
                any_mode(&mut random, true),
                millis(&mut random, 500..3_000),
            ),
            _ => Disturbance::DatabaseLink(
                any_service(&mut random),
                any_mode(&mut random, false),
                millis(&mut random, 300..2_000),
            ),
        };
        let gap = millis(&mut random, 600..1_600);
        if at >= length {
            return steps;
        }
        steps.push(Step { at, what });
        at += gap;
    }
    unreachable!("a run has an end")
}

fn millis(random: &mut Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(random.u64(range))
}

fn any_service(random: &mut Rng) -> Service {
    // those who move money more often
    [Service::User, Service::Transaction, Service::User, Service::Transaction, Service::Notification, Service::Report]
        [random.usize(..6)]
}

fn any_mode(random: &mut Rng, between_services: bool) -> Mode {
    let modes = [
        Mode::CutAnswers,
        Mode::SwallowAnswers,
        Mode::Blackhole,
        Mode::Delay(Duration::from_millis(random.u64(50..500))),
        Mode::Late(Duration::from_millis(random.u64(20..500))),
        Mode::Reset,
        // the protocol of a database knows no repetition
        if between_services { Mode::Repeat } else { Mode::Reset },
    ];
    modes[random.usize(..modes.len())]
}

fn pause(random: &mut Rng) -> Disturbance {
    let time = Duration::from_secs(random.u64(PAUSE_SECONDS));
    match random.u8(..4) {
        0 => Disturbance::PauseDatabase(time),
        _ => Disturbance::Pause(any_service(random), random.usize(..INSTANCES), time),
    }
}

fn mail(random: &mut Rng) -> Disturbance {
    let mailing = if random.bool() { Mailing::Hangs } else { Mailing::Refuses };
    Disturbance::Mail(mailing, millis(random, 3_000..8_000))
}

fn clock(random: &mut Rng) -> Disturbance {
    Disturbance::Clock(any_service(random), random.usize(..INSTANCES), random.bool(), millis(random, 5_000..15_000))
}

/// What a nemesis has done.
#[derive(Debug, Default)]
pub struct Deeds {
    /// Processes killed, the database included.
    pub kills: usize,
    /// Of these, the database.
    pub database_kills: usize,
    /// When each instance was back after a kill.
    pub back: Vec<Instant>,
    /// Services that ended without being killed.
    pub ended: Vec<String>,
}

/// What must be undone, and when.
struct Undo {
    at: Instant,
    what: Disturbance,
}

/// One thing at a time with each process and on each way. And whoever starts needs the database: so does an instance whose
/// clock is set right again.
fn clash(one: &Disturbance, other: &Disturbance) -> bool {
    let touched = |disturbance: &Disturbance| match *disturbance {
        Disturbance::Kill(service, n) | Disturbance::Pause(service, n, _) | Disturbance::Clock(service, n, ..) => {
            Some((service, n))
        }
        _ => None,
    };
    match (one, other) {
        (Disturbance::Mail(..), Disturbance::Mail(..))
        | (
            Disturbance::Kill(..) | Disturbance::KillDatabase | Disturbance::Clock(..) | Disturbance::PauseDatabase(_),
            Disturbance::PauseDatabase(_),
        ) => true,
        (Disturbance::Link(one, ..), Disturbance::Link(other, ..))
        | (
            Disturbance::Kill(one, _) | Disturbance::Clock(one, ..) | Disturbance::DatabaseLink(one, ..),
            Disturbance::DatabaseLink(other, ..),
        ) => one == other,
        _ => touched(one).is_some() && touched(one) == touched(other),
    }
}

/// Carries a schedule out.
pub struct Nemesis<'a> {
    site: &'a mut Site,
    undo: Vec<Undo>,
    deeds: Deeds,
    /// The library that makes clocks wrong.
    faketime: String,
}

impl<'a> Nemesis<'a> {
    /// A nemesis of `site`.
    pub fn new(site: &'a mut Site, faketime: String) -> Self {
        Self { site, undo: Vec::new(), deeds: Deeds::default(), faketime }
    }

    /// Does all of `steps`, then undoes what is left.
    pub async fn work(mut self, steps: Vec<Step>, progress: &dyn Fn(&str)) -> Result<Deeds> {
        let began = Instant::now();
        for Step { at, what } in steps {
            self.undo_until(began + at).await?;
            if self.is_possible(&what) {
                progress(&format!("{:>5.1} s  {what}", began.elapsed().as_secs_f64()));
                self.begin(what).await?;
            }
        }
        while let Some(last) = self.undo.iter().map(|undo| undo.at).max() {
            self.undo_until(last).await?;
        }
        Ok(self.deeds)
    }

    async fn undo_until(&mut self, moment: Instant) -> Result<()> {
        loop {
            self.undo.sort_by_key(|undo| undo.at);
            match self.undo.first() {
                Some(next) if next.at <= moment => {
                    sleep_until(next.at.into()).await;
                    let next = self.undo.remove(0);
                    self.end(next.what).await?;
                }
                _ => break,
            }
        }
        sleep_until(moment.into()).await;
        self.note_ended();
        Ok(())
    }

    fn is_possible(&self, what: &Disturbance) -> bool {
        !self.undo.iter().any(|Undo { what: other, .. }| clash(what, other) || clash(other, what))
    }

    async fn begin(&mut self, what: Disturbance) -> Result<()> {
        let time = match what.clone() {
            Disturbance::Kill(service, n) => return self.kill(service, n).await,
            Disturbance::KillDatabase => {
                self.deeds.kills += 1;
                self.deeds.database_kills += 1;
                self.site.server.kill();
                self.site.server.restart().await?;
                self.deeds.back.push(Instant::now());
                return Ok(());
            }
            Disturbance::Pause(service, n, time) => {
                self.site.wallets[n].pause(service);
                time
            }
            Disturbance::PauseDatabase(time) => {
                self.site.server.pause();
                time
            }
            Disturbance::Link(service, mode, time) => {
                self.site.links[service as usize].set(mode);
                time
            }
            Disturbance::DatabaseLink(service, mode, time) => {
                self.site.database_links[service as usize].set(mode);
                time
            }
            Disturbance::Mail(mailing, time) => {
                self.site.set_mailing(mailing).await;
                time
            }
            Disturbance::Clock(service, n, fast, time) => {
                let sign = if fast { '+' } else { '-' };
                self.set_clock(service, n, &format!("{sign}{CLOCK_ERROR}"));
                self.kill(service, n).await?;
                time
            }
        };
        self.undo.push(Undo { at: Instant::now() + time, what });
        Ok(())
    }

    async fn end(&mut self, what: Disturbance) -> Result<()> {
        match what {
            Disturbance::Kill(..) | Disturbance::KillDatabase => {}
            Disturbance::Pause(service, n, _) => self.site.wallets[n].resume(service),
            Disturbance::PauseDatabase(_) => self.site.server.resume(),
            Disturbance::Link(service, ..) => self.site.links[service as usize].set(Mode::Pass),
            Disturbance::DatabaseLink(service, ..) => self.site.database_links[service as usize].set(Mode::Pass),
            Disturbance::Mail(..) => self.site.set_mailing(Mailing::Works).await,
            Disturbance::Clock(service, n, ..) => {
                self.set_clock(service, n, "");
                self.kill(service, n).await?;
            }
        }
        Ok(())
    }

    fn set_clock(&mut self, service: Service, n: usize, offset: &str) {
        let library = if offset.is_empty() { "" } else { &self.faketime };
        for (name, value) in [("LD_PRELOAD", library), ("FAKETIME", offset), ("DONT_FAKE_MONOTONIC", "1")] {
            self.site.wallets[n].set(service, name, value);
        }
    }

    async fn kill(&mut self, service: Service, n: usize) -> Result<()> {
        self.deeds.kills += 1;
        self.site.wallets[n].kill(service);
        self.site.wallets[n].start_again(service).await?;
        self.deeds.back.push(Instant::now());
        Ok(())
    }

    fn note_ended(&mut self) {
        for wallet in &mut self.site.wallets {
            while let Some((service, status)) = wallet.ended() {
                self.deeds.ended.push(format!("{} ended with {status}", service.name()));
                wallet.kill(service);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_schedule_and_five_minutes_kill_often_enough() {
        let length = Duration::from_mins(5);
        let shown = |seed| schedule(seed, length).iter().map(|step| format!("{step:?}")).collect::<Vec<_>>();
        assert_eq!(shown(7), shown(7));
        assert_ne!(shown(7), shown(8));
        for seed in 0..100 {
            let steps = schedule(seed, length);
            let database = steps.iter().filter(|step| step.what == Disturbance::KillDatabase).count();
            let kills = steps.iter().filter(|step| matches!(step.what, Disturbance::Kill(..))).count();
            assert!(database >= 24 && kills + database >= 80, "{kills} and {database}");
        }
    }
}
