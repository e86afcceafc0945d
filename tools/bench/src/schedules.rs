//! Thousands of schedules that are due at once, and how long it takes until each has paid, once.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lab::wallet::Service;
use money::time;
use sqlx::AssertSqlSafe;

use super::{
    bench::Bench,
    books, figures,
    load::people::{USERS, development},
    results::Schedules,
    site::Site,
};

/// How many are due.
const SCHEDULES: i64 = 10_000;
/// How often it is looked at how many have paid.
const POLL: Duration = Duration::from_millis(100);
/// How long it may take before it counts as never.
const LIMIT: Duration = Duration::from_mins(2);

/// The newest schedule and transaction before those of a round.
#[derive(Debug, Clone, Copy)]
struct Before {
    schedule: i64,
    transaction: i64,
}

/// Has all of them due at once: undisturbed, and with each service that takes part killed when a third has paid.
pub async fn run(bench: &mut Bench, site: &mut Site) -> Result<()> {
    for killed in [None, Some(Service::Transaction), Some(Service::User)] {
        let what = killed.map_or_else(String::new, |service| format!(", {} killed in the middle", service.name()));
        bench.progress.note(&format!("schedules{what}, making {SCHEDULES}"));
        let before = make(site).await?;
        bench.progress.note(&format!("schedules{what}"));
        let seconds = pay(site, before, killed).await?.as_secs_f64();
        site.api.verify().await?;
        bench.progress.done(&format!("schedules: {SCHEDULES} in {} s{what}", figures::short(seconds)));
        let killed = killed.map(Service::name);
        bench.results.schedules.push(Schedules { schedules: SCHEDULES.unsigned_abs(), killed, seconds });
    }
    Ok(())
}

/// Makes schedules that begin tomorrow: one by way of the API, and copies of it with other parties. Returns what
/// there was before them.
async fn make(site: &Site) -> Result<Before> {
    let pool = site.pool(Service::Transaction);
    let first = site.people.all[0].id;
    let today = time::now().with_timezone(&development()?.timezone).date_naive();
    let tomorrow = today.succ_opt().context("there is a tomorrow")?.to_string();
    let model = site.api.schedule(first, first + 1, &tomorrow).await?;
    let (mut count, users) = (1, i64::from(USERS));
    while count < SCHEDULES {
        let copied = count.min(SCHEDULES - count);
        let sql = format!(
            "INSERT INTO schedules (sender_id, receiver_id, amount, description, auto_complete, frequency, start_on, status,
                 next_run, due_at, request, created_at, updated_at)
             SELECT {first} + MOD(id + {count}, {users}), {first} + MOD(id + {count} + 1, {users}), amount, description,
                 auto_complete, frequency, start_on, status, next_run, due_at, CONCAT('bench ', UUID()),
                 created_at, updated_at
             FROM schedules WHERE id >= {model} ORDER BY id LIMIT {copied}"
        );
        let made = sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.context("schedules cannot be copied")?;
        count += i64::try_from(made.rows_affected())?;
    }
    let transaction = books::marks(site).await?.transaction;
    Ok(Before { schedule: model - 1, transaction })
}

/// Lets all schedules after `before` be due now, and returns how long it took until each had paid once.
async fn pay(site: &mut Site, before: Before, mut killed: Option<Service>) -> Result<Duration> {
    let due =
        "UPDATE schedules SET start_on = start_on - INTERVAL 1 DAY, due_at = due_at - INTERVAL 1 DAY WHERE id > ?";
    sqlx::query(due).bind(before.schedule).execute(site.pool(Service::Transaction)).await?;
    let began = Instant::now();
    loop {
        let (paid, schedules) = paid(site, before).await?;
        ensure!(paid == schedules, "{schedules} schedules have paid {paid} times");
        if schedules == SCHEDULES {
            return Ok(began.elapsed());
        }
        if let Some(service) = killed.take_if(|_| paid > SCHEDULES / 3) {
            site.kill(service).await?;
        }
        ensure!(began.elapsed() < LIMIT, "of {SCHEDULES} schedules only {schedules} have paid after {LIMIT:?}");
        tokio::time::sleep(POLL).await;
    }
}

/// How often the schedules after `before` have paid, and how many of them have.
async fn paid(site: &Site, before: Before) -> Result<(i64, i64)> {
    let sql = "SELECT COUNT(*), COUNT(DISTINCT schedule_id) FROM transactions
               WHERE id > ? AND schedule_id > ? AND status = 'completed'";
    let paid = sqlx::query_as(sql).bind(before.transaction).bind(before.schedule);
    Ok(paid.fetch_one(site.pool(Service::Transaction)).await?)
}
