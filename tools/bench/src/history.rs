//! The scenarios that read old transactions, on a wallet of its own that is full of them.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use lab::wallet::Service;

use super::{
    bench::Bench,
    entries, figures,
    load::workload::Kind,
    measure::{Series, float},
    plan::Scenario,
    results::SyncAll,
    seed::Seed,
    site::Site,
    targets::sides,
};

/// Connections that read pages: few, so that the latency is the query's and not that of a queue.
const READERS: usize = 4;

/// Runs those of `chosen` that read old transactions.
pub async fn run(bench: &mut Bench, chosen: &[Scenario]) -> Result<()> {
    let scenario = |scenario| chosen.contains(&scenario);
    let (pages, sync) = (scenario(Scenario::NewestPage), scenario(Scenario::SyncAll));
    let filters = scenario(Scenario::Filters);
    if scenario(Scenario::Entries) {
        entries::run(bench).await?;
    }
    if !pages && !sync && !filters {
        return Ok(());
    }
    bench.progress.note("starting a wallet for old transactions");
    // The seeded rows were never news: copying them in the background would only disturb those who read pages.
    let environment = [(Service::Report, "REPORT_SYNC_INTERVAL", "0")];
    let mut site = Site::start(&bench.server, &bench.binaries, "history", &environment).await?;
    let mut seed = Seed::plant(&site, filters).await?;
    let [small, large] = bench.effort.pages;
    if pages || filters {
        seed.grow(&site, small, &bench.progress).await?;
    }
    if pages {
        read(bench, &mut site, sides::SMALL_PAGES, Kind::NewestPages).await?;
    }
    if filters {
        read(bench, &mut site, sides::SMALL_FOUND, Kind::FoundPages).await?;
    }
    if sync {
        seed.grow(&site, bench.effort.synced, &bench.progress).await?;
        sync_all(bench, &mut site, seed.rows()).await?;
    }
    if pages || filters {
        seed.grow(&site, large, &bench.progress).await?;
    }
    if pages {
        read(bench, &mut site, sides::LARGE_PAGES, Kind::NewestPages).await?;
        bench.progress.done("newest-page");
    }
    if filters {
        read(bench, &mut site, sides::LARGE_FOUND, Kind::FoundPages).await?;
        bench.progress.done("filters");
    }
    bench.note_services(site.peaks(), None);
    site.stop().await;
    Ok(())
}

async fn read(bench: &mut Bench, site: &mut Site, name: &str, kind: Kind) -> Result<()> {
    let mut series = Series::new(name, READERS, kind);
    let rounds = bench.effort.rounds(Scenario::NewestPage);
    for round in 1..=rounds {
        bench.progress.note(&format!("{name}, round {round} of {rounds}"));
        series.round(site, bench.effort).await?;
    }
    site.api.verify().await?;
    bench.results.loads.push(series.finish(None));
    Ok(())
}

async fn sync_all(bench: &mut Bench, site: &mut Site, rows: u64) -> Result<()> {
    bench.progress.note(&format!("sync-all of {rows} transactions"));
    let began = Instant::now();
    let synced = site.api.sync_all().await.context("sync-all")?;
    let seconds = began.elapsed().as_secs_f64();
    let copied: u64 = sqlx::query_scalar("SELECT CAST(COUNT(*) AS UNSIGNED) FROM transactions")
        .fetch_one(site.pool(Service::Report))
        .await?;
    ensure!(
        synced.synced_transactions == rows && copied == rows,
        "sync-all does not balance: of {rows} transactions {} were taken over, and {copied} copies are stored",
        synced.synced_transactions
    );
    site.api.verify().await?;
    let peak_memory = site.peak(Service::Report);
    bench.progress.done(&format!("sync-all: {} rows/s", figures::short(float(rows) / seconds)));
    bench.results.sync = Some(SyncAll { transactions: rows, seconds, peak_memory });
    Ok(())
}
