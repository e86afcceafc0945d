//! Intents: transactions that were asked for, before any money is asked for.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use common::{
    TransactionId,
    bulk::{BulkInsert, Value},
    db::{self, DbError},
};
use sqlx::{MySqlConnection, QueryBuilder};

use super::{SETTLE_AFTER_SECONDS, columns};
use crate::transfer::{NewTransaction, Request, Status, Transaction, Verb};

/// A transaction that somebody wants to make.
#[derive(Debug, Clone)]
pub struct Intent {
    pub new: NewTransaction,
    pub request: Request,
    pub now: DateTime<Utc>,
}

impl Intent {
    fn identity(&self) -> &str {
        &self.request.identity
    }
}

/// What became of an intent.
#[derive(Debug, Clone)]
pub enum Inserted {
    /// It is written.
    New(Transaction),
    /// The request is known; this is what it made.
    Before(Transaction),
}

/// Writes intents: `processing` transactions whose first verb is outstanding. One statement for all of them.
///
/// Most requests are new. The first `attempt` takes them for new, and fails as raced when the unique key knows better;
/// the others look.
pub async fn insert_all(
    conn: &mut MySqlConnection,
    intents: &[&Intent],
    attempt: u32,
) -> Result<Vec<Inserted>, DbError> {
    let known = if attempt == 1 || intents.is_empty() { HashMap::new() } else { find_requests(conn, intents).await? };
    // two intents of one batch under one request are one
    let mut first = HashSet::new();
    let new: Vec<&Intent> = intents
        .iter()
        .copied()
        .filter(|intent| !known.contains_key(intent.identity()) && first.insert(intent.identity()))
        .collect();
    let ids = insert(conn, &new).await?;
    let written: HashMap<&str, Transaction> =
        new.iter().zip(ids).map(|(intent, id)| (intent.identity(), written_row(id, intent))).collect();
    let mut answer = |intent: &Intent| match known.get(intent.identity()) {
        Some(row) => Inserted::Before(row.clone()),
        None if first.remove(intent.identity()) => Inserted::New(written[intent.identity()].clone()),
        None => Inserted::Before(written[intent.identity()].clone()),
    };
    Ok(intents.iter().map(|intent| answer(intent)).collect())
}

/// Writes what is new and returns the ids, in order.
async fn insert(conn: &mut MySqlConnection, intents: &[&Intent]) -> Result<Vec<TransactionId>, DbError> {
    let mut insert = BulkInsert::new(
        "INSERT INTO transactions
             (sender_id, receiver_id, amount, description, status, step, due_at, request, fingerprint, created_at, updated_at)",
    );
    for Intent { new, request, now } in intents {
        insert.row(&[
            new.sender_id.get().into(),
            new.receiver_id.get().into(),
            new.amount.money().into(),
            Value::Text(&new.description),
            Value::Text(Status::Processing.into()),
            Value::Text(first_verb(new).into()),
            Value::InSeconds(SETTLE_AFTER_SECONDS),
            Value::Text(&request.identity),
            Value::Bytes(&request.fingerprint),
            (*now).into(),
            (*now).into(),
        ]);
    }
    // a request that another instance writes at this moment waits at the unique key
    let ids = insert.execute_for_ids(conn).await.map_err(db::raced)?;
    Ok(ids.into_iter().map(|id| TransactionId::try_from(id).expect("generated ids are positive")).collect())
}

async fn find_requests(conn: &mut MySqlConnection, intents: &[&Intent]) -> sqlx::Result<HashMap<String, Transaction>> {
    let mut query = QueryBuilder::new(concat!("SELECT ", columns!(), " FROM transactions WHERE request IN "));
    db::push_list(&mut query, intents.iter().map(|intent| intent.request.identity.clone()));
    let rows: Vec<Transaction> = query.build_query_as().fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| (row.request.clone(), row)).collect())
}

fn first_verb(new: &NewTransaction) -> Verb {
    if new.auto_complete { Verb::Transfer } else { Verb::Hold }
}

fn written_row(id: TransactionId, intent: &Intent) -> Transaction {
    let Intent { new, request, now } = intent.clone();
    Transaction {
        id,
        sender_id: new.sender_id,
        receiver_id: new.receiver_id,
        amount: new.amount,
        step: Some(first_verb(&new)),
        description: new.description,
        status: Status::Processing,
        target: None,
        failure: None,
        accepted_at: None,
        hidden_at: None,
        settle_attempts: 0,
        request: request.identity,
        fingerprint: request.fingerprint,
        version: 1,
        created_at: now,
        updated_at: now,
        changed_at: now,
    }
}
