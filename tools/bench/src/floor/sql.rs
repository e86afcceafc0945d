//! The SQL of one-step transfers as the services send it, for a batch of them.
//!
//! It must be kept like theirs: `store/writer.rs`, `store/intents.rs` and `store/changes.rs` of transaction-service,
//! `app/post.rs` and `store/ledger.rs` of user-service. Only the statements of a batch in which every transfer is new
//! and succeeds are here.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use common::{
    fact::{Fact, Kind, TransactionState},
    labels::Labels,
    origin::Origin,
    outbox,
};
use money::{Money, UserId, time};
use mysql::{
    DbError, Unit,
    bulk::{BulkInsert, BulkUpdate, Value, list},
};

/// A one-step transfer.
#[derive(Debug, Clone)]
pub struct Transfer {
    /// The transaction's number; 0 before it has one.
    pub id: i64,
    /// Who pays.
    pub sender: UserId,
    /// Who is paid.
    pub receiver: UserId,
    /// How much.
    pub amount: Money,
    /// What makes the request unique.
    pub request: String,
    /// When it was asked for.
    pub begun: Instant,
}

/// Stands for digests, which are no part of the floor.
const FINGERPRINT: [u8; 32] = [7; 32];
/// Stands for the identity of a request.
const REQUEST_ID: &str = "1d0c0b8e-6b1e-4b57-9c1a-5f4f3a2b1c0d";
/// Stands for whoever asks.
const ACTOR: &str = "user:1000";
/// Seconds after which the settler would take over.
const SETTLE_AFTER_SECONDS: u32 = 3;

/// transaction-service writes what came of `done` and what the parties are told, writes what is wanted, and numbers it.
pub async fn writes(mut unit: Unit, done: &[Transfer], new: &mut [Transfer]) -> Result<(), DbError> {
    outcomes(&mut unit, done);
    unit.insert_for_ids(intents(new));
    // intents are there before their commit is sent
    let ids = if new.is_empty() { Vec::new() } else { unit.flush_for_ids().await? };
    unit.commit().await?;
    for (transfer, id) in new.iter_mut().zip(ids) {
        transfer.id = id;
    }
    Ok(())
}

fn intents(transfers: &[Transfer]) -> BulkInsert {
    let now = time::now();
    let mut insert = BulkInsert::new(
        "INSERT INTO transactions
             (sender_id, receiver_id, amount, description, status, verb, due_at, request, fingerprint, actor, created_at, updated_at)",
    );
    for transfer in transfers {
        insert.row(&[
            transfer.sender.get().into(),
            transfer.receiver.get().into(),
            transfer.amount.into(),
            Value::Text("Lunch"),
            Value::Text("processing"),
            Value::Text("transfer"),
            Value::InSeconds(SETTLE_AFTER_SECONDS),
            Value::Text(&transfer.request),
            Value::Bytes(&FINGERPRINT),
            Value::Text(ACTOR),
            now.into(),
            now.into(),
        ]);
    }
    insert
}

fn outcomes(unit: &mut Unit, transfers: &[Transfer]) {
    let now = time::now();
    let mut update = BulkUpdate::new("transactions");
    for transfer in transfers {
        let set = [
            ("version", Value::Integer(2)),
            ("updated_at", now.into()),
            ("status", Value::Text("completed")),
            ("verb", Value::Null),
            ("due_at", Value::Null),
            ("accepted_at", now.into()),
        ];
        update.row(transfer.id, &set, &[], ("version", Value::Integer(1)));
    }
    let facts: Vec<Fact> = transfers.iter().map(completed).collect();
    unit.update(update);
    outbox::write(unit, &facts);
}

fn completed(transfer: &Transfer) -> Fact {
    let now = time::now();
    let state = TransactionState {
        id: transfer.id.try_into().expect("generated ids are positive"),
        sender_id: transfer.sender,
        receiver_id: transfer.receiver,
        amount: transfer.amount.to_string().parse().expect("an amount that was asked for"),
        description: "Lunch".into(),
        labels: Labels::default(),
        status: "completed".into(),
        status_reason: Some("completed_at_once".into()),
        captured_amount: None,
        paid_amount: None,
        shares: Vec::new(),
        refund_of: None,
        batch_id: None,
        refused_at_once: false,
        execute_at: None,
        created_at: now,
        updated_at: now,
    };
    let id = format!("transaction:{}:completed", transfer.id);
    Fact::new(id, Kind::TransactionCompleted, &state, &Origin::default()).by(ACTOR.into())
}

/// user-service moves the money.
pub async fn ledger(mut unit: Unit, transfers: &[Transfer]) -> Result<(), DbError> {
    let mut balances = lock_accounts(&mut unit, transfers).await?;
    // Of each transfer: what the sender has then, and what the receiver has then.
    let mut after = Vec::with_capacity(transfers.len());
    for transfer in transfers {
        let mut change = |user: UserId, amount: Money| {
            let balance = balances.entry(user).or_default();
            balance.available = balance.available + amount;
            balance.available
        };
        after.push([change(transfer.sender, -transfer.amount), change(transfer.receiver, transfer.amount)]);
    }

    let mut operations = BulkInsert::new(
        "INSERT INTO operations
             (reference, fingerprint, kind, transaction_id, user_id, balance_after, refusal, note, actor, request_id)",
    );
    for (transfer, [sender_has, _]) in transfers.iter().zip(&after) {
        let reference = format!("transaction:{}:1", transfer.id);
        operations.row(&[
            Value::Text(&reference),
            Value::Bytes(&FINGERPRINT),
            Value::Text("transfer"),
            transfer.id.into(),
            transfer.sender.get().into(),
            (*sender_has).into(),
            Value::Null,
            Value::Null,
            Value::Text("service:transaction-service"),
            Value::Text(REQUEST_ID),
        ]);
    }
    let ids = unit.insert_with_ids(operations);

    let mut entries =
        BulkInsert::new("INSERT INTO ledger_entries (operation_id, leg, account, user_id, amount, balance_after)");
    for (id, (transfer, has)) in ids.into_iter().zip(transfers.iter().zip(&after)) {
        let legs = [(transfer.sender, -transfer.amount), (transfer.receiver, transfer.amount)];
        for (leg, ((user, amount), has)) in (0_i64..).zip(legs.into_iter().zip(has)) {
            let account = Value::Text("available");
            entries.row(&[id.into(), leg.into(), account, user.get().into(), amount.into(), (*has).into()]);
        }
    }

    let mut holds =
        BulkInsert::new("INSERT INTO holds (transaction_id, sender_id, receiver_id, amount, captured, released)");
    for Transfer { id, sender, receiver, amount, .. } in transfers {
        let (sender, receiver, amount) = (sender.get().into(), receiver.get().into(), (*amount).into());
        holds.row(&[(*id).into(), sender, receiver, amount, amount, Money::ZERO.into()]);
    }
    unit.insert(entries);
    unit.insert(holds);
    unit.insert(new_balances(&balances));
    unit.commit().await
}

/// What a user has.
#[derive(Debug, Clone, Copy, Default)]
struct Balance {
    available: Money,
    held: Money,
    incoming: i32,
}

/// The accounts of `transfers`, locked in ascending order.
async fn lock_accounts(unit: &mut Unit, transfers: &[Transfer]) -> sqlx::Result<BTreeMap<UserId, Balance>> {
    let users: BTreeSet<UserId> = transfers.iter().flat_map(|transfer| [transfer.sender, transfer.receiver]).collect();
    let sql = format!(
        "SELECT user_id, available, held, incoming FROM accounts
         WHERE state <> 'closed' AND user_id IN {} ORDER BY user_id FOR UPDATE",
        list(users.into_iter().map(UserId::get)),
    );
    let rows: Vec<(UserId, Money, Money, i32)> = unit.read(sql).await?;
    let balance = |(id, available, held, incoming)| (id, Balance { available, held, incoming });
    Ok(rows.into_iter().map(balance).collect())
}

fn new_balances(users: &BTreeMap<UserId, Balance>) -> BulkInsert {
    let mut insert = BulkInsert::new("INSERT INTO accounts (user_id, available, held, incoming)");
    for (user, balance) in users {
        let (available, held, incoming) = (balance.available.into(), balance.held.into(), balance.incoming.into());
        insert.row(&[user.get().into(), available, held, incoming]);
    }
    insert.on_duplicate(
        " ON DUPLICATE KEY UPDATE available = VALUES(available), held = VALUES(held), incoming = VALUES(incoming)",
    )
}
