//! Writes that share a batch come to the same as one after another.

use std::{cell::Cell, collections::BTreeMap};

use common::{labels::Labels, origin::Origin};
use lab::database::{self, TestDatabase};
use money::{Amount, Money, TransactionId, UserId};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::*;
use crate::{
    domain::{
        actor::Actor,
        capture::Capture,
        decision::{Decision, Ruling},
        intent::{NewTransaction, Request},
        state::Words,
        step::{Failure, StepOutcome},
    },
    store::{testing, transactions as store},
};

/// Lists of writes that are tried.
const CASES: u32 = 60;
/// Seconds until what is pending expires.
const PENDING_TTL: u32 = 60;
/// Requests of a case: few, so that they come again.
const REQUESTS: u8 = 4;

/// A write as proptest draws it: the kind, the request that it is about, and a variant.
type Drawn = (u8, u8, u8);

fn drawn() -> impl Strategy<Value = Drawn> {
    (0_u8..12, 0..REQUESTS, 0_u8..4)
}

fn intent((_, request, variant): Drawn, case: u32) -> Intent {
    let user = |id: i64| UserId::try_from(id).expect("ids are positive");
    let new = NewTransaction {
        sender_id: user(1),
        receiver_id: user(2),
        amount: (i64::from(variant) + 1).to_string().parse().expect("it is positive"),
        description: format!("variant {variant}"),
        labels: Labels::default(),
        auto_complete: variant == 0,
        refund_of: None,
        batch_id: None,
        execute_at: None,
        schedule_id: None,
        shares: Vec::new(),
    };
    let fingerprint = common::idempotency::fingerprint(&new);
    Intent {
        new,
        request: Request { identity: format!("case {case} request {request}"), fingerprint },
        actor: format!("service:{variant}"),
        now: time::now(),
    }
}

fn transition((kind, _, variant): Drawn) -> Transition {
    let refused = StepOutcome::Refused { code: Failure::InsufficientBalance };
    let outcome = if variant == 3 { refused } else { StepOutcome::Applied };
    let part =
        Decision::Capture(Capture { amount: Some(Amount::try_from(Money::from(1)).unwrap()), is_final: kind == 7 });
    let decision = [Decision::COMPLETE, Decision::Fail, Decision::Cancel, part][usize::from(variant)];
    match kind {
        3..=6 => Transition::Outcome { step: u16::from(kind) - 2, outcome },
        7 | 8 => {
            let actor = [Actor::Sender, Actor::Service, Actor::Receiver, Actor::Anyone][usize::from(variant)];
            let description = (variant > 1).then(|| "decided".to_owned());
            Transition::Decide(Ruling {
                description,
                hide: (variant == 2).then_some(actor),
                ..Ruling::by(actor, decision)
            })
        }
        9 => Transition::Unsent,
        10 => Transition::Describe(format!("described {variant}")),
        _ => Transition::Hide([Actor::Sender, Actor::Receiver, Actor::Service, Actor::Anyone][usize::from(variant)]),
    }
}

/// A schema, and what a caller has seen of it.
struct Side {
    pool: MySqlPool,
    _database: TestDatabase,
}

/// The transactions of a case as they were made, and the latest of each request.
#[derive(Default)]
struct Seen {
    numbers: BTreeMap<TransactionId, usize>,
    latest: BTreeMap<u8, Transaction>,
}

impl Side {
    async fn new() -> Self {
        let database = database::database().await;
        let pool = mysql::pool(&mysql::DatabaseConfig::at(&database.url(), 8).unwrap());
        mysql::migrate(&pool, crate::store::migrations::migrations()).await.expect("an empty schema can be migrated");
        Self { pool, _database: database }
    }

    /// Writes `batch` as `size` writes at a time, and says what became of each. A change is of the transaction as it was
    /// seen before the batch.
    async fn write(&self, case: u32, batch: &[Drawn], size: usize, seen: &mut Seen) -> Vec<String> {
        let writes: Vec<(u8, Write)> = batch
            .iter()
            .filter_map(|drawn| match drawn.0 {
                0..3 => Some((drawn.1, Write::Intent(Box::new(intent(*drawn, case))))),
                _ => seen.latest.get(&drawn.1).map(|row| {
                    (
                        drawn.1,
                        Write::Change(Box::new(ChangeRequest {
                            seen: row.clone(),
                            refunded: None,
                            transition: transition(*drawn),
                            origin: Origin::default(),
                        })),
                    )
                }),
            })
            .collect();
        let mut told = Vec::new();
        for part in writes.chunks(size) {
            let together = part.iter().map(|(_, write)| write.clone()).collect();
            let written = write(self.pool.clone(), together, PENDING_TTL, Baton::default());
            for (written, (request, _)) in written.await.expect("the database is there").into_iter().zip(part) {
                let (what, row) = match written {
                    Written::Intent(Inserted::New(row)) => ("new", row),
                    Written::Intent(Inserted::Before(row)) => ("before", row),
                    Written::Change(Changed { row, won }) => {
                        (if won { "won" } else { "lost" }, row.expect("the transaction exists"))
                    }
                };
                let number = seen.numbers.len();
                let number = *seen.numbers.entry(row.id).or_insert(number);
                told.push(format!("{what} {number} {}", state(&row)));
                // a change may be of a transaction that has lost its request to a newer one
                if seen.latest.get(request).is_none_or(|latest| latest.id <= row.id) {
                    seen.latest.insert(*request, row);
                }
            }
        }
        told
    }

    /// The transactions of a case and the facts about them, in the words of its numbers.
    async fn visible(&self, seen: &Seen) -> Vec<String> {
        let mut visible = Vec::new();
        for (id, number) in &seen.numbers {
            let mut conn = self.pool.acquire().await.expect("the database is there");
            let row = store::find(&mut conn, *id).await.expect("it can be read");
            visible.push(format!("{number} {}", state(&row.expect("it exists"))));
            let facts = testing::facts(&mut conn, *id).await;
            visible.extend(facts.into_iter().map(|(name, state)| {
                format!("{number} {name} {} {:?} {}", state.status, state.status_reason, state.description)
            }));
        }
        visible
    }
}

/// All of a transaction but its number and its times.
fn state(row: &Transaction) -> String {
    let Transaction { amount, description, state, accepted_at, hidden_at, version, actor, .. } = row;
    let (accepted, hidden) = (accepted_at.is_some(), hidden_at.is_some());
    let hidden = (hidden, row.hidden_from_sender_at.is_some(), row.hidden_from_receiver_at.is_some());
    let (reason, captured) = (row.reason, row.captured);
    let (part, words) = (state.words().amount.map(|part| part.to_string()), Words { amount: None, ..state.words() });
    let request = if row.request == format!("unsent {}", row.id) { "unsent" } else { &row.request };
    format!(
        "{amount} {description} {words:?} {part:?} {captured} {reason:?} {accepted} {hidden:?} {version} {request} {actor}"
    )
}

/// Of the writes that wait together, changes come before intents.
fn in_order(batch: &[Drawn]) -> Vec<Drawn> {
    let (intents, changes): (Vec<Drawn>, Vec<Drawn>) = batch.iter().partition(|(kind, ..)| *kind < 3);
    [changes, intents].concat()
}

async fn compare(single: &Side, shared: &Side, case: u32, drawn: &[Drawn], sizes: &[usize]) {
    let (mut seen_by_one, mut seen_by_other) = (Seen::default(), Seen::default());
    let mut rest = drawn;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (batch, later) = rest.split_at(rest.len().min(*size));
        rest = later;
        let batch = in_order(batch);
        let one_by_one = single.write(case, &batch, 1, &mut seen_by_one).await;
        let together = shared.write(case, &batch, batch.len(), &mut seen_by_other).await;
        assert_eq!(one_by_one, together);
    }
    assert_eq!(single.visible(&seen_by_one).await, shared.visible(&seen_by_other).await);
}

#[test]
fn any_writes_in_any_batches_come_to_the_same_as_one_after_another() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime can be built");
    let (single, shared) = runtime.block_on(async { (Side::new().await, Side::new().await) });
    let case = Cell::new(0_u32);
    let plan = (vec(drawn(), 1..40), vec(1_usize..20, 1..5));
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&plan, |(drawn, sizes)| {
        case.set(case.get() + 1); // requests of its own
        runtime.block_on(compare(&single, &shared, case.get(), &drawn, &sizes));
        Ok(())
    });
    outcome.expect("batches change nothing");
}
