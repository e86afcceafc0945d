//! Operations that share a batch come to the same as one after another.

use chrono_tz::Tz;
use common::{
    idempotency,
    labels::{Labels, Metadata},
    origin::Origin,
};
use lab::database::{self, TestDatabase};
use money::{Amount, Money, TransactionId, UserId};
use mysql::DatabaseConfig;
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use sqlx::MySqlPool;
use user_service::{
    AppState,
    app::ledger::Ledger,
    domain::{
        limits::Limits,
        operation::{Batch, BatchStep, Movement, Operation, Outcome, Refund, Transfer},
    },
};

use crate::support::development;

/// Connections that the service opens at most.
const POOL_SIZE: u32 = 8;

/// Lists of operations that are tried.
const CASES: u32 = 60;
/// Users of a case that exist; operations name one more.
const USERS: i64 = 3;
/// Transactions of a case.
const TRANSACTIONS: i64 = 5;

/// A ledger, and the schema that it is in.
struct Side {
    ledger: Ledger,
    pool: MySqlPool,
    _database: TestDatabase,
}

/// What is visible of a user afterwards.
type UserRow = (i64, Money, Money, i32);
/// What is visible of a transaction's money afterwards.
type HoldRow = (i64, Option<i64>, Option<i64>, Option<Money>, Money, Money, Money);

impl Side {
    async fn with(max_batch: usize) -> Self {
        let database = database::database().await;
        let mut config = development();
        config.service.database = DatabaseConfig::at(&database.url(), POOL_SIZE).unwrap();
        AppState::new(&config).migrate().await.expect("an empty schema can be migrated");
        let pool = mysql::pool(&DatabaseConfig::at(&database.url(), 8).unwrap());
        let limits = Limits { per_transaction: Some(amount(180)), per_day: Some(amount(600)), per_month: None };
        Self { ledger: Ledger::new(pool.clone(), max_batch, limits, Tz::UTC), pool, _database: database }
    }

    async fn open_accounts(&self, first: i64) {
        for id in first..first + USERS {
            let open = sqlx::query("INSERT INTO accounts (user_id) VALUES (?)").bind(id);
            open.execute(&self.pool).await.expect("an account can be opened");
            let paid_in = Movement::Credit { user_id: user(id), amount: amount(300) };
            let _ = self
                .ledger
                .post_one(Operation::requested(None, paid_in, Labels::default()))
                .await
                .expect("money can come in");
        }
    }

    async fn visible(&self, first: i64) -> (Vec<UserRow>, Vec<HoldRow>) {
        let users = sqlx::query_as(
            "SELECT user_id, available, held, incoming FROM accounts WHERE user_id >= ? ORDER BY user_id",
        );
        let holds = sqlx::query_as(
            "SELECT transaction_id, sender_id, receiver_id, amount, captured, released, refunded FROM holds WHERE transaction_id >= ?
             ORDER BY transaction_id",
        );
        let users = users.bind(first).fetch_all(&self.pool).await.expect("users can be read");
        (users, holds.bind(first).fetch_all(&self.pool).await.expect("holds can be read"))
    }
}

fn user(id: i64) -> UserId {
    UserId::try_from(id).expect("ids are positive")
}

fn amount(units: i64) -> Amount {
    units.to_string().parse().expect("units are positive")
}

/// An operation as proptest draws it: the kind, two parties, a transaction, an amount, and two keys, of which the second may
/// be none.
type Drawn = (u8, i64, i64, i64, i64, (u8, u8));

fn drawn() -> impl Strategy<Value = Drawn> {
    (0_u8..10, 0..=USERS, 0..=USERS, 0..TRANSACTIONS, 1_i64..200, (0_u8..4, 0_u8..8))
}

/// Few transactions and keys, so that steps and requests come again, as they were or changed.
fn operation((kind, one, other, transaction, units, (key, also)): Drawn, first: i64) -> Operation {
    let (user_id, amount) = (user(first + one), amount(units));
    let receiver_id = user(first + if one == other { (other + 1) % (USERS + 1) } else { other });
    let transaction_id = TransactionId::try_from(first + transaction).expect("ids are positive");
    let transfer = Transfer { transaction_id, sender_id: user_id, receiver_id, amount, shares: Vec::new() };
    let step = u16::from(key) + 2;
    let movement = match kind {
        0 => Movement::Topup { user_id, amount },
        1 => Movement::Credit { user_id, amount },
        2 => Movement::Debit { user_id, amount },
        3 => Movement::Hold(transfer.clone()),
        4 => Movement::Transfer(transfer.clone()),
        5 | 6 => {
            let is_final = kind == 6;
            let by_operator = false;
            Movement::Capture {
                transaction_id,
                step,
                sender_id: user_id,
                receiver_id,
                amount,
                is_final,
                by_operator,
                shares: Vec::new(),
            }
        }
        7 => {
            let refund = TransactionId::try_from(first + TRANSACTIONS + i64::from(key)).expect("ids are positive");
            let (transaction_id, refund_of, by_operator) = (refund, transaction_id, false);
            Movement::Refund(Refund {
                transaction_id,
                refund_of,
                sender_id: user_id,
                receiver_id,
                amount,
                by_operator,
                shares: Vec::new(),
            })
        }
        _ => Movement::Release { transaction_id, step, sender_id: user_id, receiver_id, receivers: Vec::new() },
    };
    if kind == 9 {
        let (back, other) = ((transfer.receiver_id, transfer.sender_id), (transaction + 1) % TRANSACTIONS);
        let other = TransactionId::try_from(first + other).expect("ids are positive");
        let steps = vec![
            BatchStep::Transfer(transfer),
            BatchStep::Hold(Transfer {
                transaction_id: other,
                sender_id: back.0,
                receiver_id: back.1,
                amount,
                shares: Vec::new(),
            }),
        ];
        return Operation::batch(Batch { batch_id: first + i64::from(key), steps });
    }
    if let Some(step) = movement.step() {
        return Operation::step(step, movement);
    }
    let reference = format!("case {first} key {key}");
    Operation {
        reference,
        also: (also < 4 && also != key).then(|| format!("case {first} key {also}")),
        fingerprint: idempotency::fingerprint(&movement),
        movement,
        note: None,
        metadata: Metadata::default(),
        origin: Origin::default(),
    }
}

async fn compare(single: &Side, shared: &Side, first: i64, drawn: &[Drawn], sizes: &[usize]) {
    let operations: Vec<Operation> = drawn.iter().map(|drawn| operation(*drawn, first)).collect();
    single.open_accounts(first).await;
    shared.open_accounts(first).await;
    let mut one_by_one: Vec<Outcome> = Vec::new();
    for operation in operations.clone() {
        one_by_one.push(single.ledger.post_one(operation).await.expect("the database is there"));
    }
    let mut in_batches: Vec<Outcome> = Vec::new();
    let mut rest = operations;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let batch = rest.drain(..rest.len().min(*size)).collect();
        in_batches.extend(shared.ledger.post(batch).await.expect("the database is there"));
    }
    assert_eq!(one_by_one, in_batches);
    assert_eq!(single.visible(first).await, shared.visible(first).await);
}

#[test]
fn any_operations_in_any_batches_come_to_the_same_as_one_after_another() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime can be built");
    let single = runtime.block_on(Side::with(1));
    let shared = runtime.block_on(Side::with(1000));
    let first = std::cell::Cell::new(1_i64);
    let plan = (vec(drawn(), 1..40), vec(1_usize..20, 1..5));
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&plan, |(drawn, sizes)| {
        // users and transactions of its own for each case
        first.set(first.get() + 10);
        runtime.block_on(compare(&single, &shared, first.get(), &drawn, &sizes));
        Ok(())
    });
    outcome.expect("batches change nothing");
    for side in [&single, &shared] {
        let verification = runtime.block_on(side.ledger.verify()).expect("the ledger can be verified");
        assert!(verification.ok, "{verification:?}");
    }
}

#[tokio::test]
async fn operations_of_many_callers_at_once_keep_the_ledger_whole() {
    let side = Side::with(16).await;
    side.open_accounts(1).await;
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..40_u8 {
        let ledger = side.ledger.clone();
        callers.spawn(async move {
            for step in 0..10_u8 {
                let n = i64::from(caller.wrapping_mul(31).wrapping_add(step.wrapping_mul(17)));
                let drawn = (
                    caller.wrapping_add(step) % 7,
                    n % 3,
                    (n / 3) % 3,
                    n % TRANSACTIONS,
                    n % 50 + 1,
                    (step % 4, step % 8),
                );
                let _ = ledger.post_one(operation(drawn, 1)).await.expect("the database is there");
            }
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.expect("no caller panics");
    }
    let verification = side.ledger.verify().await.expect("the ledger can be verified");
    assert!(verification.ok, "{verification:?}");
}
