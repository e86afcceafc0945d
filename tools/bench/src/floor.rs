//! The floor: what the database alone makes of transfers. The SQL of the services is sent straight to the server, without
//! any HTTP, on connections of its own, while no service runs.
//!
//! It goes the services' way: on two connections a batch of outcomes is written together with as many intents, on a
//! third one the money of a batch is moved. As many transfers are under way as 256 connections would have, in batches as
//! large as the services' were, or as large as they can be.

mod sql;

use std::{cell::RefCell, path::Path, time::Instant};

use anyhow::{Context, Result};
use fault::point;
use futures::future::try_join_all;
use lab::wallet::Service;
use money::{Money, UserId};
use mysql::DatabaseConfig;
use sql::Transfer;
use sqlx::MySqlPool;
use tokio::{
    sync::{
        Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::timeout_at,
};

use super::{
    batches::Batches,
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

/// Transfers under way.
const UNDER_WAY: usize = 256;
/// Connections of each of the two services that it stands for.
const POOL_SIZE: u32 = 8;
/// The largest batches with which both databases are at work all the time: half of the transfers are with each. Larger ones
/// would wait for each other.
const LARGEST: Batches = Batches { writes: UNDER_WAY / 2, ledger: UNDER_WAY / 2 };
/// Connections that write intents and outcomes, like transaction-service's.
const WRITERS: usize = 2;
/// All connections: one more moves the money.
const CONNECTIONS: usize = WRITERS + 1;
/// The largest amount of a transfer, in whole units.
const MAX_AMOUNT: i64 = 100;

/// A wallet of its own, whose services stand still while its tables are written.
pub struct Floor {
    site: Site,
    equal: Vec<Outcome>,
    largest: Vec<Outcome>,
}

impl Floor {
    /// Makes the schemas and the users.
    pub async fn prepare(server: &DatabaseServer, binaries: &Path) -> Result<Self> {
        let mut site = Site::start(server, binaries, "floor", &[]).await?;
        site.stop().await;
        Ok(Self { site, equal: Vec::new(), largest: Vec::new() })
    }

    /// Runs one round in batches like these and one in the largest, and compares the rows with what was committed. Returns
    /// the batches of the first one.
    pub async fn round(&mut self, batches: Batches, effort: &Effort) -> Result<Batches> {
        let batches = batches.at_most(LARGEST);
        let outcome = self.one(batches, effort).await?;
        self.equal.push(outcome);
        let outcome = self.one(LARGEST, effort).await?;
        self.largest.push(outcome);
        Ok(batches)
    }

    async fn one(&mut self, batches: Batches, effort: &Effort) -> Result<Outcome> {
        let marks = books::marks(&self.site).await?;
        let pool = |service| DatabaseConfig::at(&self.site.schema(service).url(), POOL_SIZE);
        let (users, transactions) = (pool(Service::User)?, pool(Service::Transaction)?);
        let (warm_up, measured) = (effort.warm_up, effort.measured);
        let (people, watched) = (self.site.people.clone(), self.site.watched());
        let outcome = load::in_own_thread(warm_up + measured + load::OVERTIME, move || async move {
            let (users, transactions) = (mysql::pool(&users), mysql::pool(&transactions));
            let tally = Tally::new(warm_up, measured)?;
            Pipeline { users, transactions, people: &people, batches, end: tally.time().1, tally: tally.into() }
                .run(watched)
                .await
        });
        let outcome = outcome.await.context("the floor")?;
        let rows = Kind::Transfers(Parties::Any).rows(outcome.acknowledged, 0);
        books::compare(&self.site, &marks, &rows).await.context("the floor does not balance")?;
        Ok(outcome)
    }

    /// Has user-service prove that the floor wrote a whole ledger.
    pub async fn finish(mut self) -> Result<[Measured; 2]> {
        self.site.start_again().await?;
        self.site.api.verify().await.context("after the floor")?;
        self.site.stop().await;
        let measured = |name: &str, outcomes: &[Outcome]| {
            measure::measured(name.to_owned(), "transfers", CONNECTIONS, outcomes, None)
        };
        Ok([measured(sides::FLOOR, &self.equal), measured(sides::FLOOR_LARGEST, &self.largest)])
    }
}

/// The way of transfers through both databases.
struct Pipeline<'a> {
    users: MySqlPool,
    transactions: MySqlPool,
    people: &'a People,
    batches: Batches,
    end: Instant,
    tally: RefCell<Tally>,
}

impl Pipeline<'_> {
    /// Keeps [`UNDER_WAY`] transfers under way until the time is over, and then ends those.
    async fn run(self, watched: Watched) -> Result<Outcome> {
        let watching = tokio::task::spawn_local(watched.over(self.tally.borrow().time()));
        let (to_ledger, mut wanted) = channel(UNDER_WAY);
        // whoever has nothing to be told yet
        let (to_writers, moved) = channel(UNDER_WAY);
        for _ in 0..UNDER_WAY {
            to_writers.try_send(None)?;
        }
        let moved = Mutex::new(moved);
        let writers = try_join_all((0..WRITERS).map(|_| self.write_transactions(&moved, &to_ledger)));
        tokio::try_join!(writers, self.write_ledger(&mut wanted, &to_writers))?;
        let mut last = whatever_waits(&mut wanted);
        self.move_money(&last).await?;
        last.extend(whatever_waits(&mut *moved.lock().await).into_iter().flatten());
        self.commit(last, &mut []).await?;
        self.tally.into_inner().outcome(watching.await??)
    }

    /// What transaction-service commits.
    async fn write_transactions(
        &self,
        moved: &Mutex<Receiver<Option<Transfer>>>,
        to_ledger: &Sender<Transfer>,
    ) -> Result<()> {
        let mut random = fastrand::Rng::new();
        while Instant::now() < self.end {
            let done = self.batch(&mut *moved.lock().await, self.batches.writes).await;
            let mut new = done.iter().map(|_| any_transfer(self.people, &mut random)).collect::<Result<Vec<_>>>()?;
            self.commit(done.into_iter().flatten().collect(), &mut new).await?;
            for transfer in new {
                to_ledger.send(transfer).await?;
            }
        }
        Ok(())
    }

    /// What user-service commits.
    async fn write_ledger(&self, wanted: &mut Receiver<Transfer>, to_writers: &Sender<Option<Transfer>>) -> Result<()> {
        while Instant::now() < self.end {
            let batch = self.batch(wanted, self.batches.ledger).await;
            self.move_money(&batch).await?;
            for transfer in batch {
                to_writers.send(Some(transfer)).await?;
            }
        }
        Ok(())
    }

    /// A whole batch, or what there is when the time is over.
    async fn batch<T>(&self, waiting: &mut Receiver<T>, size: usize) -> Vec<T> {
        let mut batch = Vec::with_capacity(size);
        while batch.len() < size {
            let missing = size - batch.len();
            if timeout_at(self.end.into(), waiting.recv_many(&mut batch, missing)).await.is_err() {
                break;
            }
        }
        batch
    }

    /// Writes the outcomes of `done` and the intents of `new` in one commit.
    async fn commit(&self, done: Vec<Transfer>, new: &mut [Transfer]) -> Result<()> {
        sql::writes(mysql::begin(&self.transactions, point!("floor.writes")).await?, &done, new).await?;
        for transfer in done {
            self.tally.borrow_mut().note(transfer.begun, Verdict::Acknowledged, 1);
        }
        Ok(())
    }

    async fn move_money(&self, transfers: &[Transfer]) -> Result<()> {
        if transfers.is_empty() {
            return Ok(());
        }
        Ok(sql::ledger(mysql::begin(&self.users, point!("floor.ledger")).await?, transfers).await?)
    }
}

fn whatever_waits<T>(waiting: &mut Receiver<T>) -> Vec<T> {
    std::iter::from_fn(|| waiting.try_recv().ok()).collect()
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
        begun: Instant::now(),
    })
}
