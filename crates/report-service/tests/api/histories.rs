//! Any history, told in any order and any number of times, adds up to the same totals.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, Ordering},
};

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::support::{
    service::Service,
    sources::{Totals, Transaction},
};

/// Histories that are tried.
const CASES: u32 = 24;
/// Users in one history.
const USERS: i64 = 4;
/// Changes on a page after which report-service asks for the next one.
const FULL_PAGE: usize = 500;
const STATUSES: [&str; 5] = ["processing", "pending", "completed", "failed", "cancelled"];

/// What happens to one transaction.
#[derive(Debug, Clone)]
struct Life {
    sender: i64,
    receiver: i64,
    cents: i128,
    /// The status of each version, and for whom it counts.
    states: Vec<(&'static str, [bool; 2])>,
}

/// Lives of transactions, and how the feed tells them.
#[derive(Debug, Clone)]
struct History {
    lives: Vec<Life>,
    /// Pages of changes: which transaction, and which of its versions. A full page is filled up by repetition.
    pages: Vec<(Vec<(prop::sample::Index, prop::sample::Index)>, bool)>,
}

fn life() -> impl Strategy<Value = Life> {
    let cents = prop_oneof![1..1_000_i64, 1..100_000_000_000_000_i64];
    let counts = prop::array::uniform2(prop::bool::weighted(0.8));
    let states = prop::collection::vec((prop::sample::select(STATUSES.to_vec()), counts), 1..5);
    (0..USERS, 1..USERS, cents, states).prop_map(|(sender, distance, cents, states)| Life {
        sender,
        receiver: (sender + distance) % USERS,
        cents: cents.into(),
        states,
    })
}

fn history() -> impl Strategy<Value = History> {
    let change = any::<(prop::sample::Index, prop::sample::Index)>();
    let page = (prop::collection::vec(change, 0..30), prop::bool::weighted(0.2));
    (prop::collection::vec(life(), 1..15), prop::collection::vec(page, 1..8))
        .prop_map(|(lives, pages)| History { lives, pages })
}

impl History {
    /// The pages as the feed gives them out, with numbers that no other history has.
    fn pages(&self, first_transaction: i64, first_user: i64) -> Vec<Vec<Transaction>> {
        let tell = |(transaction, version): &(prop::sample::Index, prop::sample::Index)| {
            let number = transaction.index(self.lives.len());
            let life = &self.lives[number];
            let version = version.index(life.states.len());
            let id = first_transaction + i64::try_from(number).unwrap();
            let (status, counts_for) = life.states[version];
            let told = Transaction::new(id, status)
                .of(life.cents)
                .between(first_user + life.sender, first_user + life.receiver);
            Transaction { version: i32::try_from(version).unwrap() + 1, counts_for, ..told }
        };
        self.pages
            .iter()
            .map(|(changes, full)| {
                let page: Vec<Transaction> = changes.iter().map(tell).collect();
                let size = if *full && !page.is_empty() { FULL_PAGE } else { page.len() };
                page.iter().cycle().take(size).cloned().collect()
            })
            .collect()
    }
}

/// The newest version of each transaction that was told.
fn newest(pages: &[Vec<Transaction>]) -> Vec<Transaction> {
    let mut newest: BTreeMap<i64, Transaction> = BTreeMap::new();
    for change in pages.iter().flatten() {
        let known = newest.entry(change.id).or_insert_with(|| change.clone());
        if known.version < change.version {
            *known = change.clone();
        }
    }
    newest.into_values().collect()
}

#[test]
fn any_telling_of_a_history_adds_up_to_its_newest_versions() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let service = runtime.block_on(Service::start());
    let cases = AtomicI64::new(0);
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Config { cases: CASES, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let outcome = TestRunner::new_with_rng(config, rng).run(&history(), |history| {
        let case = cases.fetch_add(1, Ordering::Relaxed);
        let (first_transaction, first_user) = (case * 100 + 1, case * USERS + 1);
        let pages = history.pages(first_transaction, first_user);
        let newest = newest(&pages);
        runtime.block_on(async {
            service.sources.add_users(first_user..first_user + USERS);
            service.sources.follow_script(pages);
            while !service.sources.script_is_over() {
                let _ = service.sync().await.expect(200);
            }
            for user in first_user..first_user + USERS {
                prop_assert_eq!(service.totals(user).await, Totals::count(user, &newest), "user {}", user);
            }
            Ok(())
        })
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
