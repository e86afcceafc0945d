//! The services against the model, on a real database.

use std::cell::Cell;

use anyhow::{Context, Result, anyhow, ensure};
use lab::{http::Reply, wallet::Service};
use proptest::{collection::vec, option, prelude::*};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::{
    ledger::{Ledger, Step, part_of},
    runner::runner,
    wire::{body, number, units, word, written},
};
use lab::world::{World, transaction_of};

/// Users of a case that exist; steps name one more.
const USERS: usize = 3;
/// What each of them has at first, in cents.
const OPENING: i64 = 30_000;
/// The largest amount, in cents.
const MOST: i64 = 20_000;
/// Transactions of a case.
const TRANSACTIONS: usize = 5;
/// A distance between the numbers of two cases.
const APART: i64 = 1_000;
/// Where the numbers of the ledger's cases begin: beyond those that the services give.
const FIRST_OF_LEDGER: i64 = 1_000_000_000;
/// Where those of the transfers' begin.
const FIRST_OF_TRANSFERS: i64 = 2_000_000_000;

fn step() -> impl Strategy<Value = Step> {
    let numbers = 2_u16..5;
    // transactions with an odd number mostly pay two
    let sharing = (0..10, 0_i64..=4).prop_map(|(odd, quarters)| (odd > 0, quarters));
    (0..6, 0..TRANSACTIONS, numbers, 0..USERS, 0..=USERS, 2..MOST, sharing).prop_map(
        |(kind, transaction, number, from, to, amount, (as_usual, quarters))| {
            let to = if to == from { (to + 1) % USERS } else { to };
            let pays_two = (transaction % 2 == 1) == as_usual;
            // a refund goes the other way
            let (sender, first) = if kind == 4 { (to, from) } else { (from, to) };
            let other = (0..USERS).find(|user| *user != sender && *user != first).filter(|_| pays_two);
            // of a first step nobody has nothing
            let part = if kind < 2 { (amount * quarters / 4).clamp(1, amount - 1) } else { amount * quarters / 4 };
            let second = other.map(|user| (user, part));
            match kind {
                0 => Step::Hold { transaction, from, to, amount, second },
                1 => Step::Transfer { transaction, from, to, amount, second },
                2 | 3 => Step::Capture { transaction, number, from, to, amount, is_final: kind == 3, second },
                4 => {
                    let of = transaction;
                    Step::Refund { transaction: TRANSACTIONS + usize::from(number), of, from, to, amount, second }
                }
                _ => Step::Release { transaction, number, from, to, second: other },
            }
        },
    )
}

/// Opens the accounts of a case. Not through the service, whose passwords would take all the time there is.
async fn open_accounts(world: &World, pool: &MySqlPool, base: i64) -> Result<()> {
    for index in 0..USERS {
        let user = number(base, index);
        sqlx::query("INSERT INTO accounts (user_id) VALUES (?)").bind(user).execute(pool).await?;
        let users = world.service(Service::User);
        let paid_in = json!({"action": "credit", "amount": units(OPENING)});
        let _ = users.put(&format!("/internal/users/{user}/balance"), paid_in).await.expect(200);
    }
    Ok(())
}

async fn balances(pool: &MySqlPool, base: i64) -> Result<Vec<(i64, i64)>> {
    let query = "SELECT CAST(100 * available AS SIGNED), CAST(100 * held AS SIGNED) FROM accounts
                 WHERE user_id >= ? AND user_id < ? ORDER BY user_id";
    Ok(sqlx::query_as(query).bind(base).bind(number(base, USERS)).fetch_all(pool).await?)
}

fn modelled(ledger: &Ledger) -> Vec<(i64, i64)> {
    ledger.available.iter().copied().zip(ledger.held.iter().copied()).collect()
}

/// Random steps in random batches, some of them again: user-service answers as the model does, and the balances are the
/// model's. Fails with the shortest list of steps that was found.
pub async fn ledger_agrees(world: &World, cases: u32, seed: u64) -> Result<()> {
    let plan = (vec(step(), 1..40), vec(1_usize..8, 1..5));
    on_server(FIRST_OF_LEDGER, cases, seed, &plan, async |base, (steps, sizes)| {
        ledger_case(world, base, &steps, &sizes).await
    })
}

async fn ledger_case(world: &World, base: i64, steps: &[Step], sizes: &[usize]) -> Result<()> {
    let (users, pool) = (world.service(Service::User), world.pool(Service::User));
    open_accounts(world, &pool, base).await?;
    let mut model = Ledger::new(USERS, OPENING);
    let mut rest = steps;
    for size in sizes.iter().cycle() {
        let (batch, later) = rest.split_at(rest.len().min(*size));
        if batch.is_empty() {
            break;
        }
        rest = later;
        let operations: Vec<Value> = batch.iter().map(|step| body(*step, base)).collect();
        let expected: Vec<Option<&str>> = batch.iter().map(|step| word(model.ask(*step))).collect();
        let answer = users.post("/internal/operations", json!({"operations": operations})).await;
        let told: Vec<Option<&str>> = outcomes(&answer)?.iter().map(|outcome| outcome["code"].as_str()).collect();
        ensure!(told == expected, "{batch:?} was answered {told:?} and not {expected:?}");
        ensure!(balances(&pool, base).await? == modelled(&model), "the balances differ after {batch:?}");
    }
    Ok(())
}

fn outcomes(answer: &Reply) -> Result<&Vec<Value>> {
    answer["outcomes"].as_array().with_context(|| format!("the answer was {}", answer.text))
}

/// What somebody does with transfers.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Create {
        from: usize,
        to: usize,
        amount: i64,
        /// How much of it is for the third one, if it is split.
        part: Option<i64>,
        one_step: bool,
    },
    /// The same request once more.
    CreateAgain,
    Decide {
        transaction: usize,
        complete: bool,
    },
    /// Captures so much, and gives the rest back or not.
    Capture {
        transaction: usize,
        amount: i64,
        is_final: bool,
    },
    /// Gives back so much.
    Refund {
        transaction: usize,
        amount: i64,
    },
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (0..USERS, 1..USERS, 2..MOST, any::<bool>(), option::of(1_i64..100)).prop_map(
            |(from, further, amount, one_step, percent)| Deed::Create {
                from,
                to: (from + further) % USERS,
                amount,
                part: percent.map(|percent| (amount * percent / 100).clamp(1, amount - 1)),
                one_step,
            },
        ),
        1 => Just(Deed::CreateAgain),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(transaction, complete)| Deed::Decide { transaction, complete }),
        4 => (any::<usize>(), 1..MOST, any::<bool>())
            .prop_map(|(transaction, amount, is_final)| Deed::Capture { transaction, amount, is_final }),
        3 => (any::<usize>(), 1..MOST).prop_map(|(transaction, amount)| Deed::Refund { transaction, amount }),
    ]
}

/// Random transfers and decisions: the services answer as the model does, and the balances are the model's.
pub async fn transfers_agree(world: &World, cases: u32, seed: u64) -> Result<()> {
    let plan = vec(deed(), 1..15);
    on_server(FIRST_OF_TRANSFERS, cases, seed, &plan, async |base, deeds| transfer_case(world, base, &deeds).await)
}

/// A transaction of a case.
struct Made {
    id: i64,
    status: &'static str,
    captured: i64,
    /// How many steps it has had.
    steps: u16,
}

async fn transfer_case(world: &World, base: i64, deeds: &[Deed]) -> Result<()> {
    let pool = world.pool(Service::User);
    open_accounts(world, &pool, base).await?;
    let mut model = Ledger::new(USERS, OPENING);
    let mut made: Vec<Made> = Vec::new();
    let (mut last, mut refunds) = (None, 0);
    for deed in deeds {
        let count = made.len();
        match *deed {
            Deed::Create { from, to, amount, part, one_step } => {
                let transaction = made.len();
                let second = part.map(|part| (USERS - from - to, part)); // the third of 0, 1 and 2
                let step = if one_step {
                    Step::Transfer { transaction, from, to, amount, second }
                } else {
                    Step::Hold { transaction, from, to, amount, second }
                };
                let (status, captured) = match model.ask(step) {
                    Some(_) => ("failed", 0),
                    None if one_step => ("completed", amount),
                    None => ("pending", 0),
                };
                let mut request = json!({
                    "sender_id": number(base, from), "amount": units(amount), "description": "model",
                    "auto_complete": one_step,
                });
                let split = |user: usize, part: i64| json!({"receiver_id": number(base, user), "amount": units(part)});
                match second {
                    None => request["receiver_id"] = json!(number(base, to)),
                    Some((user, part)) => request["splits"] = json!([split(to, amount - part), split(user, part)]),
                }
                let key = format!("{base}-{transaction}");
                let answer = create(world, &key, &request).await;
                made.push(Made { id: transaction_of(&answer)?, status, captured, steps: 1 });
                last = Some((key, request, answer.text));
            }
            Deed::CreateAgain => {
                let Some((key, request, before)) = &last else { continue };
                let again = create(world, key, request).await;
                let same = |text: &str| serde_json::from_str::<Value>(text).map(|body| body["id"].clone()).ok();
                ensure!(same(&again.text) == same(before), "asked again, the answer was {}", again.text);
            }
            Deed::Decide { transaction, complete } if count > 0 => {
                let index = transaction % count;
                let whole = &mut made[index];
                let (from, to, amount, second) = model.held_for(index).unwrap_or_default();
                let number = whole.steps + 1;
                let (step, decided, ends) = if complete {
                    let step = Step::Capture { transaction: index, number, from, to, amount, is_final: false, second };
                    (step, "completed", "completed")
                } else {
                    // what is left after a capture leaves the transaction completed
                    let ends = if whole.captured == 0 { "cancelled" } else { "completed" };
                    {
                        let second = second.map(|(user, _)| user);
                        (Step::Release { transaction: index, number, from, to, second }, "cancelled", ends)
                    }
                };
                let answer = world.decide(whole.id, decided).await;
                if whole.status == "pending" {
                    ensure!(model.ask(step).is_none(), "the model refuses {step:?}");
                    (whole.status, whole.steps) = (ends, number);
                    whole.captured += if complete { amount } else { 0 };
                    ensure!(answer.status == 200, "{decided}: {}", answer.text);
                } else {
                    ensure!(answer.status != 202 && !answer.status.is_server_error(), "{decided}: {}", answer.text);
                }
            }
            Deed::Capture { transaction, amount, is_final } if count > 0 => {
                let index = transaction % count;
                capture(world, &mut model, index, &mut made[index], amount, is_final).await?;
            }
            Deed::Refund { transaction, amount } if count > 0 => {
                let index = transaction % count;
                refunds += 1;
                refund(world, &mut model, index, made[index].id, refunds, amount).await?;
            }
            Deed::Decide { .. } | Deed::Capture { .. } | Deed::Refund { .. } => continue,
        }
        ensure!(balances(&pool, base).await? == modelled(&model), "the balances differ after {deed:?}");
    }
    for (index, Made { id, status, captured, .. }) in made.iter().enumerate() {
        let shown = world.service(Service::Transaction).get(&format!("/transactions/{id}")).await;
        let refunded = model.deals.get(&index).map_or(0, |deal| deal.refunded);
        ensure!(
            (&shown["status"], &shown["captured_amount"], &shown["refunded_amount"])
                == (&json!(status), &written(*captured), &written(refunded)),
            "transaction {id} is not {status} with {captured} captured and {refunded} refunded: {}",
            shown.text
        );
    }
    Ok(())
}

/// Captures so much of a transaction, and gives the rest back if it `is_final`.
async fn capture(
    world: &World,
    model: &mut Ledger,
    index: usize,
    whole: &mut Made,
    amount: i64,
    is_final: bool,
) -> Result<()> {
    let (from, to, left, second) = model.held_for(index).unwrap_or_default();
    let path = format!("/transactions/{}/captures", whole.id);
    let answer =
        world.service(Service::Transaction).post(&path, json!({"amount": units(amount), "final": is_final})).await;
    if whole.status != "pending" || amount > left {
        ensure!(answer.status == 409, "capturing too much: {}", answer.text);
        return Ok(());
    }
    whole.steps += 1;
    let second = second.map(|(user, share)| (user, part_of(share, left, amount)));
    let step = Step::Capture { transaction: index, number: whole.steps, from, to, amount, is_final, second };
    ensure!(model.ask(step).is_none(), "the model refuses {step:?}");
    whole.captured += amount;
    whole.status = if is_final || amount == left { "completed" } else { "pending" };
    ensure!(answer.status == 201, "capturing: {}", answer.text);
    Ok(())
}

/// Gives back so much of transaction `id`, as the refund of this number.
async fn refund(world: &World, model: &mut Ledger, of: usize, id: i64, number: usize, amount: i64) -> Result<()> {
    let path = format!("/transactions/{id}/refunds");
    let answer = world.service(Service::Transaction).post(&path, json!({"amount": units(amount)})).await;
    let deal = model.deals.get(&of);
    let (from, to) = deal.map_or((0, 0), |deal| (deal.to, deal.from));
    let second = deal.and_then(|deal| {
        let (user, share) = deal.second?;
        // too much, or of nothing, is refused however it would be shared
        let left = (deal.captured - deal.refunded).max(1);
        Some((user, part_of(share, left, amount)))
    });
    // beyond the numbers of transactions
    match model.ask(Step::Refund { transaction: 100 + number, of, from, to, amount, second }) {
        None => ensure!(answer.status == 201, "refunding: {}", answer.text),
        Some(_) => ensure!(answer.status.is_client_error(), "refunding too much: {}", answer.text),
    }
    Ok(())
}

async fn create(world: &World, key: &str, request: &Value) -> Reply {
    world.service(Service::Transaction).keyed(key).post("/transactions", request.clone()).await
}

/// Runs `case` for each plan that proptest draws, each with numbers of its own from `first` on. On a runtime with several threads only.
fn on_server<S: Strategy>(
    first: i64,
    cases: u32,
    seed: u64,
    plan: &S,
    case: impl AsyncFn(i64, S::Value) -> Result<()>,
) -> Result<()> {
    let runtime = tokio::runtime::Handle::current();
    let base = Cell::new(first);
    tokio::task::block_in_place(|| {
        let outcome = runner(cases, seed).run(plan, |drawn| {
            base.set(base.get() + APART);
            let ran = runtime.block_on(case(base.get(), drawn));
            ran.map_err(|error| TestCaseError::fail(format!("{error:#}")))
        });
        outcome.map_err(|failure| anyhow!("{failure}"))
    })
}
