//! What report-service does with entries: takes them over, and answers pages, balances at a moment and statements.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use lab::wallet::Service;
use money::Money;
use sqlx::AssertSqlSafe;

use super::{
    bench::Bench,
    figures,
    load::{
        people::READERS,
        workload::{Kind, Parties},
    },
    long_statements,
    measure::{Series, float},
    plan::Scenario,
    results::TakenOver,
    seed::{CHUNK, numbers},
    site::Site,
    targets::sides,
};

/// Connections that read pages and statements: few, so that the latency is the query's and not that of a queue.
const READING: usize = 4;
/// Connections that read balances at a moment.
const LOOKING: usize = 256;
/// Connections that make entries.
const PAYING: usize = 256;
/// How often it is looked at how far the copy goes.
const POLL: Duration = Duration::from_millis(20);
/// How long taking over may take before it counts as never.
const LIMIT: Duration = Duration::from_mins(5);
/// Runs the scenario on a wallet of its own.
pub async fn run(bench: &mut Bench) -> Result<()> {
    bench.progress.note("starting a wallet for entries");
    let mut site = Site::start(&bench.server, &bench.binaries, "entries", &[]).await?;
    take_over(bench, &mut site).await?;
    let mut rows = 0;
    for (side, wanted) in [sides::SMALL_ENTRIES, sides::LARGE_ENTRIES].into_iter().zip(bench.effort.entries) {
        grow(bench, &site, &mut rows, wanted).await?;
        read(bench, &mut site, side, READING, Kind::EntryPages).await?;
    }
    read(bench, &mut site, "balances-at-256", LOOKING, Kind::BalancesAt).await?;
    for (side, format) in [(sides::JSON, "json"), (sides::CSV, "csv"), (sides::PDF, "pdf")] {
        read(bench, &mut site, side, 1, Kind::Statements(format)).await?;
    }
    bench.note_services(site.peaks(), None);
    long_statements::run(bench, &mut site).await?;
    site.stop().await;
    Ok(())
}

/// Lets entries come about while report-service is away, and then takes the time in which it takes them over.
async fn take_over(bench: &mut Bench, site: &mut Site) -> Result<()> {
    bench.progress.note("entries, making some while report-service is away");
    site.stop_one(Service::Report).await;
    let before = position(site).await?;
    let mut paid = Series::new("entries", PAYING, Kind::Transfers(Parties::Any));
    for _ in 0..bench.effort.rounds(Scenario::Entries) {
        paid.round(site, bench.effort).await?;
    }
    let last: i64 = sqlx::query_scalar("SELECT MAX(id) FROM operations").fetch_one(site.pool(Service::User)).await?;
    bench.progress.note("entries, taking them over");
    site.start_one(Service::Report).await?;
    // the first page says that it has begun: when it does is no part of how fast it goes
    let first = position_after(site, before + 1).await?;
    let (began, entries) = (Instant::now(), count(site).await?);
    position_after(site, last).await?;
    let seconds = began.elapsed().as_secs_f64();
    let taken = count(site).await? - entries;
    ensure!(last > first && taken > 0, "there are too few entries to take over");
    let sum = async |service, sql| sqlx::query_scalar(sql).fetch_one(site.pool(service)).await;
    let copied: Money = sum(Service::Report, "SELECT SUM(balance) FROM entry_accounts").await?;
    let known: Money = sum(Service::User, "SELECT SUM(available) FROM accounts").await?;
    ensure!(copied == known, "the entries add up to {copied}, and the accounts to {known}");
    bench.progress.done(&format!("entries: {} taken over each second", figures::short(float(taken) / seconds)));
    bench.results.taken_over = Some(TakenOver { entries: taken, seconds });
    Ok(())
}

/// Waits until entries are taken over up to this operation, and returns up to which they are.
async fn position_after(site: &Site, wanted: i64) -> Result<i64> {
    let began = Instant::now();
    loop {
        let position = position(site).await?;
        if position >= wanted {
            return Ok(position);
        }
        ensure!(began.elapsed() < LIMIT, "the entries are not taken over after {LIMIT:?}");
        tokio::time::sleep(POLL).await;
    }
}

/// The operation up to which all entries are taken over.
async fn position(site: &Site) -> Result<i64> {
    let sql = "SELECT COALESCE(MAX(position), 0) FROM entry_feeds WHERE feed = 'entries'";
    Ok(sqlx::query_scalar(sql).fetch_one(site.pool(Service::Report)).await?)
}

async fn count(site: &Site) -> Result<u64> {
    let sql = "SELECT CAST(COUNT(*) AS UNSIGNED) FROM entries";
    Ok(sqlx::query_scalar(sql).fetch_one(site.pool(Service::Report)).await?)
}

/// Adds old entries of those who read until there are `wanted`, each one more unit of money than the one before.
async fn grow(bench: &Bench, site: &Site, rows: &mut u64, wanted: u64) -> Result<()> {
    let first = site.people.all[0].id;
    let bar = bench.progress.rows(wanted, &format!("making {wanted} entries"));
    bar.advance(*rows);
    while *rows < wanted {
        let (count, numbers) = (CHUNK.min(wanted - *rows), numbers(*rows));
        let sql = format!(
            "INSERT INTO entries (generation, user_id, created_at, id, kind, amount, balance_after, counterparty_id)
             SELECT 1, {first} + MOD(n, {READERS}), TIMESTAMPADD(MICROSECOND, 100 * n, '2026-01-01 00:00:00'), n + 1,
                 'transfer', 1, n DIV {READERS} + 1, {first} + MOD(n + 1, {READERS})
             FROM {numbers}
             WHERE n < {rows} + {count} ORDER BY n"
        );
        let written = sqlx::raw_sql(AssertSqlSafe(sql)).execute(site.pool(Service::Report)).await?;
        ensure!(written.rows_affected() == count, "{count} rows became {}", written.rows_affected());
        *rows += count;
        bar.advance(count);
    }
    sqlx::raw_sql("ANALYZE TABLE entries").execute(site.pool(Service::Report)).await?;
    Ok(())
}

async fn read(bench: &mut Bench, site: &mut Site, name: &str, connections: usize, kind: Kind) -> Result<()> {
    let mut series = Series::new(name, connections, kind);
    let rounds = bench.effort.rounds(Scenario::Entries);
    for round in 1..=rounds {
        bench.progress.note(&format!("{name}, round {round} of {rounds}"));
        series.round(site, bench.effort).await?;
    }
    let load = series.finish(None);
    bench.progress.done(&super::report::line(&load));
    bench.results.loads.push(load);
    Ok(())
}
