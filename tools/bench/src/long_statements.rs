//! What a long statement costs: how much memory report-service needs for it, and how long its reader waits for the first byte.

use anyhow::{Context, Result, ensure};
use lab::wallet::Service;
use sqlx::AssertSqlSafe;

use super::{
    api::Download,
    bench::Bench,
    figures,
    load::people::READERS,
    measure::float,
    results::LongStatement,
    seed::{CHUNK, numbers},
    site::Site,
};

/// Entries of the statement.
const ENTRIES: u64 = 200_000;
/// The period that has them, in which nobody else has any.
const PERIOD: &str = "from=2025-01-01T00:00:00Z&to=2025-02-01T00:00:00Z";

/// Downloads a long statement in each form that is made for people or files, each from a process that has just begun.
pub async fn run(bench: &mut Bench, site: &mut Site) -> Result<()> {
    let user = site.people.all[READERS as usize].id;
    make(bench, site, user).await?;
    for format in ["csv", "pdf"] {
        bench.progress.note(&format!("a statement of {ENTRIES} entries as {format}"));
        site.stop_one(Service::Report).await;
        site.start_one(Service::Report).await?;
        let idle = site.memory(Service::Report).context("a running process has memory")?;
        let path = format!("/statements/user/{user}?{PERIOD}&format={format}");
        let Download { first_byte, whole, bytes } = site.api.download(Service::Report, &path).await?;
        ensure!(bytes > ENTRIES, "{bytes} bytes are no statement of {ENTRIES} entries");
        let peak = site.peak(Service::Report).context("a running process has a peak")?;
        let statement = LongStatement {
            entries: ENTRIES,
            format,
            bytes,
            first_byte_ms: first_byte.as_secs_f64() * 1000.0,
            seconds: whole.as_secs_f64(),
            memory: peak.saturating_sub(idle),
        };
        bench.progress.done(&format!("{format}: {}/s", figures::short(float(ENTRIES) / statement.seconds)));
        bench.results.long_statements.push(statement);
    }
    Ok(())
}

/// Writes the entries, each one more unit of money than the one before.
async fn make(bench: &Bench, site: &Site, user: i64) -> Result<()> {
    let bar = bench.progress.rows(ENTRIES, &format!("making {ENTRIES} entries of one user"));
    for first in (0..ENTRIES).step_by(usize::try_from(CHUNK)?) {
        let numbers = numbers(first);
        let sql = format!(
            "INSERT INTO entries (generation, user_id, created_at, id, kind, amount, balance_after)
             SELECT 1, {user}, TIMESTAMPADD(SECOND, n, '2025-01-01 00:00:00'), n + 1, 'topup', 1, n + 1 FROM {numbers}
             WHERE n < {ENTRIES} ORDER BY n"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(site.pool(Service::Report)).await?;
        bar.advance(CHUNK);
    }
    Ok(())
}
