//! The bank run: clients move money between a few accounts while a nemesis kills, pauses, cuts and confuses what moves it.
//! Afterwards the tables are compared with what the clients were told.

mod books;
mod clients;
mod entries;
mod history;
mod nemesis;
mod sampler;
mod site;
mod splits;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use futures::future::join_all;
use lab::{faketime, wallet::Service};
use serde_json::json;
use tokio::time::sleep;

pub use books::Findings;
use clients::Client;
use history::{History, Told};
use nemesis::{Deeds, Nemesis};
use sampler::Samples;
use site::Site;

/// Clients that ask at once.
const CLIENTS: usize = 16;
/// Accounts that they share.
const ACCOUNTS: usize = 8;
/// What each account begins with: little, so that it does not always suffice.
const OPENING: i64 = 200;
/// How long everything may take to come to its end when nothing is disturbed any more.
const QUIET: Duration = Duration::from_secs(30);
/// How long the last mail may take: its fourth attempt comes a minute after the third.
const MAILED_WITHIN: Duration = Duration::from_mins(2);

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// The server that the money was on.
    pub server: String,
    /// Requests that were sent, repetitions included.
    pub sent: u64,
    /// Of these, repetitions of an earlier one.
    pub repeated: u64,
    /// Distinct requests that were acknowledged at last.
    pub acknowledged: usize,
    /// That were refused.
    pub refused: usize,
    /// Of which nothing certain was ever told.
    pub unknown: usize,
    /// What the nemesis did.
    pub kills: usize,
    /// Of these, kills of the database.
    pub database_kills: usize,
    /// How often all money was added up.
    pub samples: u64,
    /// What was not as it must be.
    pub findings: Findings,
    /// How long it took after a kill until nothing from before it was unsettled: half of the kills, and 99 of 100.
    pub recovery: (Duration, Duration),
}

/// Runs for `length` under the schedule of `seed`.
pub async fn run(length: Duration, seed: u64, progress: &(dyn Fn(&str) + Sync)) -> Result<Report> {
    let faketime = faketime::library(progress)?.display().to_string();
    let mut site = Site::start(progress).await?;
    let accounts = open_accounts(&site).await?;
    let history = History::default();
    let began = Instant::now();
    let end = began + length;
    let mut random = Rng::with_seed(seed);
    let clients: Vec<Client> = (0..CLIENTS)
        .map(|number| Client {
            number,
            instances: site.instances.clone(),
            accounts: accounts.clone(),
            history: history.clone(),
            random: random.fork(),
        })
        .collect();
    let clients: Vec<_> = clients.into_iter().map(|client| tokio::spawn(client.work(end))).collect();
    let (users, transactions) = (site.pool(Service::User), site.pool(Service::Transaction));
    let sampling = tokio::spawn(sampler::sample(users, transactions, end + QUIET));
    let deeds = Nemesis::new(&mut site, faketime).work(nemesis::schedule(seed, length), progress).await?;
    for client in join_all(clients).await {
        client.context("a client")?;
    }
    progress("waiting until it is quiet");
    let samples = sampling.await.context("the sampler")?;
    everything_told(&site).await?;
    progress("checking the books");
    let log = history.with(std::mem::take);
    let mut findings = books::check(&site, &log).await?;
    findings.drift.extend(samples.violations.iter().cloned());
    findings.other.extend(deeds.ended.iter().cloned());
    ensure!(samples.taken > 0, "the balances were never added up");
    let count = |what: fn(&Told) -> bool| log.requests.values().filter(|request| what(&request.told)).count();
    Ok(Report {
        server: site.server.product().to_owned(),
        sent: log.sent,
        repeated: log.repeated,
        acknowledged: count(|told| matches!(told, Told::Done(_))),
        refused: count(|told| *told == Told::Refused),
        unknown: count(|told| *told == Told::Unknown),
        kills: deeds.kills,
        database_kills: deeds.database_kills,
        samples: samples.taken,
        findings,
        recovery: recovery(&deeds, &samples),
    })
}

async fn open_accounts(site: &Site) -> Result<Vec<i64>> {
    let users = &site.instances[Service::User as usize][0];
    let mut accounts = Vec::new();
    for number in 0..ACCOUNTS {
        let email = format!("account{number}@example.com");
        let person = json!({"full_name": format!("Account {number}"), "email": email, "password": "password123"});
        let id = users.post("/auth/register", person).await.expect(201).id();
        let topped_up = users.post(&format!("/users/{id}/topup"), json!({"amount": OPENING})).await;
        let _ = topped_up.expect(200);
        accounts.push(id);
    }
    Ok(accounts)
}

/// Waits until every notification is mailed.
async fn everything_told(site: &Site) -> Result<()> {
    let deadline = Instant::now() + MAILED_WITHIN;
    let left = "SELECT COUNT(*) FROM notifications WHERE status <> 'sent'";
    let notifications = site.pool(Service::Notification);
    while Instant::now() < deadline {
        let waiting: i64 = sqlx::query_scalar(left).fetch_one(&notifications).await?;
        if waiting == 0 {
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// After each kill: how long until all that was unsettled then was settled; if it never was, until the last look.
fn recovery(deeds: &Deeds, samples: &Samples) -> (Duration, Duration) {
    let looks = &samples.unsettled_since;
    let settled = |back: &Instant| {
        let first = looks.iter().find(|(_, since)| since >= back).or(looks.last());
        first.map_or(Duration::MAX, |(at, _)| at.saturating_duration_since(*back))
    };
    let mut times: Vec<Duration> = deeds.back.iter().map(settled).collect();
    times.sort_unstable();
    let at = |share: usize| times.get((times.len() * share / 100).min(times.len().saturating_sub(1))).copied();
    (at(50).unwrap_or_default(), at(99).unwrap_or_default())
}
