//! Writes intents.

use std::collections::{HashMap, HashSet};

use common::labels::Labels;
use money::{BatchId, ScheduleId, TransactionId};
use mysql::{
    DbError, Unit,
    bulk::{BulkInsert, Value, list},
};

use super::{SETTLE_AFTER_SECONDS, columns, labels, shares};
use crate::domain::{
    intent::{Inserted, Intent},
    transaction::Transaction,
};

/// What is to be written of intents, and what is known of them.
pub struct Plan<'a> {
    intents: &'a [&'a Intent],
    known: HashMap<String, Transaction>,
    new: Vec<&'a Intent>,
}

impl Plan<'_> {
    /// True if there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.new.is_empty()
    }

    /// Has `unit` write what the new ones, which have these ids, are found by.
    pub fn label(&self, unit: &mut Unit, ids: &[i64]) {
        find_by(unit, ids, &self.new);
    }

    /// What became of each intent, once they are written.
    pub fn outcomes(self, ids: &[i64]) -> Vec<Inserted> {
        let Self { intents, mut known, new } = self;
        let id = |id: &i64| TransactionId::try_from(*id).expect("generated ids are positive");
        let rows = new.iter().zip(ids).map(|(intent, new)| (intent.identity(), intent.transaction(id(new))));
        let mut rows: HashMap<&str, Transaction> = rows.collect();
        let mut answer = |intent: &Intent| match rows.remove(intent.identity()) {
            Some(row) => {
                known.insert(row.request.clone(), row.clone());
                Inserted::New(row)
            }
            None => Inserted::Before(known[intent.identity()].clone()),
        };
        intents.iter().map(|intent| answer(intent)).collect()
    }
}

/// Sorts intents by whether their requests are known, and has `unit` write what is new: `processing` transactions whose
/// first verb is outstanding.
///
/// Most requests are new. The first `attempt` takes them for new, which the unique key makes sure of; the others look.
pub async fn plan<'a>(unit: &mut Unit, intents: &'a [&'a Intent], attempt: u32) -> sqlx::Result<Plan<'a>> {
    let known = if attempt == 1 || intents.is_empty() { HashMap::new() } else { find_requests(unit, intents).await? };
    // two intents of one batch under one request are one
    let mut first = HashSet::new();
    let new: Vec<&Intent> = intents
        .iter()
        .copied()
        .filter(|intent| !known.contains_key(intent.identity()) && first.insert(intent.identity()))
        .collect();
    unit.insert_for_ids(insertion(&new, Value::InSeconds(SETTLE_AFTER_SECONDS)));
    Ok(Plan { intents, known, new })
}

/// Has `unit` write what new transactions, which have these ids, are found by.
pub(super) fn find_by(unit: &mut Unit, ids: &[i64], intents: &[&Intent]) {
    let new = || ids.iter().copied().zip(intents.iter().map(|intent| &intent.new));
    labels::insert(unit, new());
    shares::insert(unit, new());
}

/// Has `unit` write one intent that is new.
pub fn insert(unit: &mut Unit, intent: &Intent) {
    unit.insert(insertion(&[intent], Value::InSeconds(SETTLE_AFTER_SECONDS)));
}

const PLAIN: &str = "INSERT INTO transactions
             (sender_id, receiver_id, amount, description, status, verb, due_at, request, fingerprint, actor, created_at, updated_at)";
/// The same, where some have more than a payment from one to another.
const WITH_MORE: &str = "INSERT INTO transactions
             (sender_id, receiver_id, amount, description, status, verb, due_at, request, fingerprint, actor, created_at, updated_at,
              target, refund_of, reference, metadata, batch_id, execute_at, schedule_id, shares)";

/// Writes what is new. The settler takes a transaction over when it is `due`, if it ever is.
pub(super) fn insertion(intents: &[&Intent], due: Value<'static>) -> BulkInsert {
    let are_plain = intents.iter().all(|intent| intent.new.is_plain());
    let mut insert = BulkInsert::new(if are_plain { PLAIN } else { WITH_MORE });
    for Intent { new, request, actor, now } in intents {
        let words = new.first_state().words();
        let plain = [
            new.sender_id.get().into(),
            new.receiver_id.get().into(),
            new.amount.money().into(),
            Value::Text(&new.description),
            Value::Text(words.status.into()),
            words.verb.map(<&'static str>::from).into(),
            new.execute_at.map_or(due, Value::Time),
            Value::Text(&request.identity),
            Value::Bytes(&request.fingerprint),
            Value::Text(actor),
            (*now).into(),
            (*now).into(),
        ];
        if are_plain {
            insert.row(&plain);
            continue;
        }
        let Labels { reference, metadata } = &new.labels;
        let (metadata, shares) = ((!metadata.is_empty()).then(|| metadata.to_json()), shares::written(&new.shares));
        let more = [
            words.target.map(<&'static str>::from).into(),
            new.refund_of.map(TransactionId::get).into(),
            reference.as_ref().map(|reference| &*reference.0).into(),
            metadata.as_deref().into(),
            new.batch_id.map(BatchId::get).into(),
            new.execute_at.into(),
            new.schedule_id.map(ScheduleId::get).into(),
            shares.as_deref().into(),
        ];
        insert.row(&[&plain[..], &more].concat());
    }
    insert
}

/// Writes an intent of a transaction that begins later, whose request is new, and returns the transaction. A request that is known
/// after all is a lost race.
pub async fn insert_scheduled(unit: &mut Unit, intent: &Intent) -> Result<Transaction, DbError> {
    unit.insert_for_ids(insertion(&[intent], Value::Null));
    let ids = unit.flush_for_ids().await?;
    find_by(unit, &ids, &[intent]);
    let id = ids.first().copied().and_then(|id| TransactionId::try_from(id).ok());
    Ok(intent.transaction(id.expect("one row has one id, which is positive")))
}

async fn find_requests(unit: &mut Unit, intents: &[&Intent]) -> sqlx::Result<HashMap<String, Transaction>> {
    let requests = list(intents.iter().map(|intent| intent.identity()));
    let rows: Vec<Transaction> = unit
        .read(concat!("SELECT ", columns!(), " FROM transactions WHERE request IN ").to_owned() + &requests)
        .await?;
    Ok(rows.into_iter().map(|row| (row.request.clone(), row)).collect())
}
