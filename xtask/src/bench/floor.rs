//! The floor: what the database alone makes of transfers. The SQL of the services is sent straight to the server in equal
//! batches, without any HTTP, on connections of its own.
//!
//! Two connections take turns as the services do: one writes the outcomes of a batch together with the intents of the next,
//! the other moves the money of the batch between them. As many transfers are under way as 256 connections would have. No
//! service runs meanwhile.

mod sql;

use std::{cell::RefCell, path::Path, rc::Rc, time::Instant};

use anyhow::{Context, Result};
use common::{Money, UserId, config::DatabaseConfig, db};
use harness::wallet::Service;
use sqlx::MySqlPool;
use tokio::sync::mpsc;

use super::{
    books,
    cpu::Watched,
    load::{
        self, Outcome, Tally,
        people::People,
        workload::{Kind, Parties, Verdict},
    },
    measure::{self, Measured},
    plan::Effort,
    server::DatabaseServer,
    site::Site,
    targets::sides,
};
use sql::Transfer;

/// Batches under way: the journal writes one while the ledger writes the other.
const BATCHES: usize = 2;
/// Transfers in a batch: 256 under way in all.
const BATCH: usize = 128;
/// The largest amount of a transfer, in whole units.
const MAX_AMOUNT: i64 = 100;
/// The connections of both.
const CONNECTIONS: usize = 2;

/// A wallet of its own, whose services stand still while its tables are written.
pub struct Floor {
    site: Site,
    outcomes: Vec<Outcome>,
}

/// A batch on its way.
struct Batch {
    begun: Instant,
    transfers: Vec<Transfer>,
}

impl Floor {
    /// Makes the schemas and the users.
    pub async fn prepare(server: &DatabaseServer, binaries: &Path) -> Result<Self> {
        let mut site = Site::start(server, binaries, "floor", &[]).await?;
        site.stop().await;
        Ok(Self { site, outcomes: Vec::new() })
    }

    /// Runs one round and compares the rows with what was committed.
    pub async fn round(&mut self, effort: &Effort) -> Result<()> {
        let marks = books::marks(&self.site).await?;
        let config = |service| self.site.schema(service).config.clone();
        let (users, transactions) = (config(Service::User), config(Service::Transaction));
        let (warm_up, measured) = (effort.warm_up, effort.measured);
        let (people, watched) = (self.site.people.clone(), self.site.watched());
        let outcome = load::in_own_thread(warm_up + measured + load::OVERTIME, move || async move {
            pipeline([&users, &transactions], &people, watched, Tally::new(warm_up, measured)?).await
        });
        let outcome = outcome.await.context("the floor")?;
        let rows = Kind::Transfers(Parties::Any).rows(outcome.acknowledged, 0);
        books::compare(&self.site, &marks, &rows).await.context("the floor does not balance")?;
        self.outcomes.push(outcome);
        Ok(())
    }

    /// Has user-service prove that the floor wrote a whole ledger.
    pub async fn finish(mut self) -> Result<Measured> {
        self.site.start_again().await?;
        self.site.api.verify().await.context("after the floor")?;
        self.site.stop().await;
        Ok(measure::measured(sides::FLOOR.to_owned(), "transfers", CONNECTIONS, &self.outcomes, None))
    }
}

async fn pipeline(
    [users, transactions]: [&DatabaseConfig; 2],
    people: &People,
    watched: Watched,
    tally: Tally,
) -> Result<Outcome> {
    let (users, transactions) = (db::pool(users), db::pool(transactions));
    let watching = tokio::task::spawn_local(watched.over(tally.time()));
    let tally = Rc::new(RefCell::new(tally));
    let (to_ledger, wanted) = mpsc::channel(BATCHES);
    let (to_journal, moved) = mpsc::channel(BATCHES);
    tokio::try_join!(
        write_journal(&transactions, people, &tally, to_ledger, moved),
        write_ledger(&users, wanted, to_journal),
    )?;
    let tally = Rc::into_inner(tally).context("every stage has ended")?.into_inner();
    tally.outcome(watching.await??)
}

/// What transaction-service commits, until the time is over and everything under way has its outcome.
async fn write_journal(
    pool: &MySqlPool,
    people: &People,
    tally: &RefCell<Tally>,
    to_ledger: mpsc::Sender<Batch>,
    mut moved: mpsc::Receiver<Batch>,
) -> Result<()> {
    let mut random = fastrand::Rng::new();
    let mut under_way = 0;
    loop {
        let goes_on = tally.borrow().goes_on();
        if under_way == 0 && !goes_on {
            return Ok(());
        }
        // at first the batches come one by one, from then on each waits for the ledger
        let waits = under_way == BATCHES || !goes_on;
        let done = if waits { Some(moved.recv().await.context("the ledger has ended")?) } else { None };
        let mut new = goes_on.then(|| Batch::new(people, &mut random)).transpose()?;

        let mut tx = pool.begin().await?;
        if let Some(Batch { transfers, .. }) = &done {
            sql::outcomes(&mut tx, transfers).await?;
        }
        if let Some(Batch { transfers, .. }) = &mut new {
            sql::intents(&mut tx, transfers).await?;
        }
        tx.commit().await?;

        if let Some(Batch { begun, transfers }) = done {
            tally.borrow_mut().note(begun, Verdict::Acknowledged, transfers.len() as u64);
            under_way -= 1;
        }
        if let Some(new) = new {
            to_ledger.send(new).await?;
            under_way += 1;
        }
    }
}

/// What user-service commits.
async fn write_ledger(
    pool: &MySqlPool,
    mut batches: mpsc::Receiver<Batch>,
    to_journal: mpsc::Sender<Batch>,
) -> Result<()> {
    while let Some(batch) = batches.recv().await {
        let mut tx = pool.begin().await?;
        sql::ledger(&mut tx, &batch.transfers).await?;
        tx.commit().await?;
        to_journal.send(batch).await?;
    }
    Ok(())
}

impl Batch {
    fn new(people: &People, random: &mut fastrand::Rng) -> Result<Self> {
        let transfers = (0..BATCH).map(|_| any_transfer(people, random)).collect::<Result<_>>()?;
        Ok(Self { begun: Instant::now(), transfers })
    }
}

fn any_transfer(people: &People, random: &mut fastrand::Rng) -> Result<Transfer> {
    let count = people.all.len();
    let sender = random.usize(..count);
    let receiver = (sender + random.usize(1..count)) % count;
    let user = |index: usize| UserId::try_from(people.all[index].id);
    Ok(Transfer {
        id: 0,
        sender: user(sender)?,
        receiver: user(receiver)?,
        amount: Money::from(random.i64(1..=MAX_AMOUNT)),
        // as long as the identity of a request without a key
        request: format!("once {:036x}", random.u128(..)),
    })
}
