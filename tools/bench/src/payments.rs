//! The scenarios that move money, on one wallet: its outboxes fill and its mail goes out as in production all the while.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lab::wallet::Service;

use super::{
    batches::Counts,
    bench::Bench,
    books, figures,
    floor::Floor,
    load::{
        people::development,
        workload::{Kind, Parties},
    },
    measure::{Measured, Series, float},
    plan::Scenario,
    report,
    results::Drain,
    schedules,
    site::{self, Site},
    targets::sides,
};

/// Connections that log in beside transfers.
const LOGIN_CONNECTIONS: usize = 4;
/// Fewer facts than this drain too fast to be timed.
const MIN_FACTS: u64 = 20_000;
/// How often the outboxes are looked at while they drain.
const DRAIN_POLL: Duration = Duration::from_millis(200);
/// How long it may take until the first fact leaves.
const DRAIN_START_LIMIT: Duration = Duration::from_secs(20);
/// Connections that fill the outboxes.
const FILLING_CONNECTIONS: usize = 256;

const TRANSFERS: Kind = Kind::Transfers(Parties::Any);

/// Runs those of `chosen` that move money.
pub async fn run(bench: &mut Bench, chosen: &[Scenario]) -> Result<()> {
    let chosen: Vec<Scenario> = chosen.iter().copied().filter(|scenario| !scenario.reads_history()).collect();
    if chosen.is_empty() {
        return Ok(());
    }
    bench.progress.note("starting the four services, making 1,000 users");
    let mut site = Site::start(&bench.server, &bench.binaries, "money", &[]).await?;
    bench.progress.note("starting each service again, to see how long it takes");
    let ready = site.times_to_ready().await?;
    let (batching, floor) = (chosen.contains(&Scenario::Batching), chosen.contains(&Scenario::Floor));
    for scenario in chosen {
        match scenario {
            Scenario::Floor if batching => bench.progress.done("floor: see above"),
            Scenario::Batching | Scenario::Floor => {
                site.stop().await;
                compare(bench, batching, floor).await?;
                site.start_again().await?;
            }
            Scenario::Logins => logins(bench, &mut site).await?,
            Scenario::Drain => drain(bench, &mut site).await?,
            Scenario::Schedules => schedules::run(bench, &mut site).await?,
            _ => plain(bench, &mut site, scenario).await?,
        }
    }
    bench.note_services(site.peaks(), Some(ready));
    site.stop().await;
    Ok(())
}

/// Rounds of one load.
async fn plain(bench: &mut Bench, site: &mut Site, scenario: Scenario) -> Result<()> {
    let (connections, kind) = scenario.load().context("the scenario is a load")?;
    let mut series = Series::new(scenario.name(), connections, kind);
    let rounds = bench.effort.rounds(scenario);
    for round in 1..=rounds {
        bench.progress.note(&format!("{}, round {round} of {rounds}", scenario.name()));
        series.round(site, bench.effort).await?;
    }
    bench.progress.note(&format!("{}, checking the ledger", scenario.name()));
    bench.results.loads.extend(prove(site, vec![series]).await?);
    if let Some(load) = bench.results.loads.last() {
        bench.progress.done(&report::line(load));
    }
    Ok(())
}

/// The figures of some series, once the ledger is proved whole.
async fn prove(site: &Site, all: Vec<Series>) -> Result<Vec<Measured>> {
    let backlog = books::backlog(site).await?;
    site.api.verify().await?;
    Ok(all.into_iter().map(|series| series.finish(Some(backlog))).collect())
}

/// Transfers as they are, without batches, and as SQL alone, by turns, so that all meet the same noise; on a new wallet, like
/// that of the floor, so that their tables are of a size.
async fn compare(bench: &mut Bench, batching: bool, floor: bool) -> Result<()> {
    bench.progress.note("making a wallet for the comparison");
    let mut site = Site::start(&bench.server, &bench.binaries, "comparison", &[]).await?;
    let shared_max = development()?.group_commit_max;
    let series = |name, connections| Series::new(name, connections, TRANSFERS);
    let (mut shared, mut unshared) = (series(sides::SHARED_256, 256), series(sides::UNSHARED_256, 256));
    let (mut shared_alone, mut unshared_alone) = (series(sides::SHARED_1, 1), series(sides::UNSHARED_1, 1));
    let mut sql = None;
    if floor {
        bench.progress.note("making a wallet for the floor");
        sql = Some(Floor::prepare(&bench.server, &bench.binaries).await?);
    }
    let (effort, rounds) = (bench.effort, bench.effort.rounds(Scenario::Batching));
    for round in 1..=rounds {
        let note = |side: &str| bench.progress.note(&format!("side by side, {side}, round {round} of {rounds}"));
        note("batches");
        let before = Counts::now(&site.api).await?;
        shared.round(&mut site, effort).await?;
        let batches = Counts::now(&site.api).await?.since(before);
        if batching {
            shared_alone.round(&mut site, effort).await?;
            note("GROUP_COMMIT_MAX=1");
            site.set_group_commit(1).await?;
            unshared.round(&mut site, effort).await?;
            unshared_alone.round(&mut site, effort).await?;
            site.set_group_commit(shared_max).await?;
        }
        if let Some(sql) = &mut sql {
            note("SQL alone");
            site.stop().await;
            let batches = sql.round(batches, effort).await?;
            bench.results.floor_batches.push(batches);
            site.start_again().await?;
        }
    }
    bench.progress.note("side by side, checking the ledgers");
    let mut sides = vec![shared];
    if batching {
        sides.extend([unshared, shared_alone, unshared_alone]);
    }
    bench.results.loads.extend(prove(&site, sides).await?);
    bench.note_services(site.peaks(), None);
    site.stop().await;
    if let Some(sql) = sql {
        bench.results.loads.extend(sql.finish().await?);
    }
    let rate = |name| bench.results.load(name).map(|load| figures::short(load.per_second.median));
    let parts = [("batches", sides::SHARED_256), ("GROUP_COMMIT_MAX=1", sides::UNSHARED_256), ("SQL", sides::FLOOR)];
    let rates: Vec<String> =
        parts.iter().filter_map(|(what, name)| Some(format!("{what} {}/s", rate(name)?))).collect();
    bench.progress.done(&format!("side by side, 256 connections: {}", rates.join(", ")));
    Ok(())
}

/// Transfers without and with logins beside them, by turns.
async fn logins(bench: &mut Bench, site: &mut Site) -> Result<()> {
    let series = |name| Series::new(name, 64, TRANSFERS);
    let (mut alone, mut beside) = (series(sides::ALONE_64), series(sides::LOGINS_64));
    let rounds = bench.effort.rounds(Scenario::Logins);
    let mut logins = 0.0;
    for round in 1..=rounds {
        bench.progress.note(&format!("logins beside transfers, round {round} of {rounds}"));
        alone.round(site, bench.effort).await?;
        let other = beside.round_beside(site, bench.effort, LOGIN_CONNECTIONS, Kind::Logins).await?;
        logins += other.per_second() / float(rounds as u64);
    }
    bench.results.loads.extend(prove(site, vec![alone, beside]).await?);
    let p99 = |name| bench.results.load(name).map_or(f64::NAN, |load| load.p99_ms.median);
    bench.progress.done(&format!(
        "logins-beside-64: p99 {} ms alone, {} ms beside {} logins/s",
        figures::short(p99(sides::ALONE_64)),
        figures::short(p99(sides::LOGINS_64)),
        figures::short(logins)
    ));
    Ok(())
}

/// How fast the outboxes become notifications when no money moves.
async fn drain(bench: &mut Bench, site: &mut Site) -> Result<()> {
    if books::backlog(site).await? < MIN_FACTS {
        bench.progress.note("drain, filling the outboxes");
        site.stop_one(Service::Notification).await;
        while books::backlog(site).await? < MIN_FACTS {
            Series::new("drain", FILLING_CONNECTIONS, TRANSFERS).round(site, bench.effort).await?;
        }
        site.start_one(Service::Notification).await?;
    }
    bench.progress.note("drain");
    // A relay that found nobody pauses for a moment: the time counts from when facts leave again.
    let (deadline, full) = (Instant::now() + DRAIN_START_LIMIT, books::outboxes(site).await?);
    while books::outboxes(site).await? == full {
        ensure!(Instant::now() < deadline, "the outboxes do not drain: see {}", site::logs().display());
        tokio::time::sleep(DRAIN_POLL).await;
    }
    let began = Instant::now();
    let before = books::notifications(site).await?;
    let mut left = books::outboxes(site).await?.left();
    while left > 0 && began.elapsed() < bench.effort.drain_limit {
        bench.progress.tick(&format!("drain, about {left} facts left"));
        tokio::time::sleep(DRAIN_POLL).await;
        left = books::outboxes(site).await?.left();
    }
    let seconds = began.elapsed().as_secs_f64();
    let stored = books::notifications(site).await?;
    if left == 0 {
        let due = books::expected_notifications(site).await?;
        ensure!(
            stored == due,
            "drain does not balance: {due} notifications were due, and {stored} notifications are stored"
        );
    }
    site.api.verify().await?;
    let drain = Drain { notifications: stored - before, seconds, left };
    bench.progress.done(&format!("drain: {} notifications/s", figures::short(float(drain.notifications) / seconds)));
    bench.results.drain = Some(drain);
    Ok(())
}
