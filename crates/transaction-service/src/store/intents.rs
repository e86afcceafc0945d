//! Intents: transactions that were asked for, before any money is asked for.

use std::collections::HashMap;

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
    intents: &[Intent],
    attempt: u32,
) -> Result<Vec<Inserted>, DbError> {
    let mut known =
        if attempt == 1 || intents.is_empty() { HashMap::new() } else { find_requests(conn, intents).await? };
    let mut insert = BulkInsert::new(
        "INSERT INTO transactions
             (sender_id, receiver_id, amount, description, status, step, due_at, request, fingerprint, created_at, updated_at)",
    );
    // two intents of one batch under one request are one
    let mut new: HashMap<&str, Option<Transaction>> = HashMap::new();
    let mut order: Vec<&Intent> = Vec::new();
    for intent in intents {
        let identity = intent.request.identity.as_str();
        if known.contains_key(identity) || new.insert(identity, None).is_some() {
            continue;
        }
        insert.row(&[
            intent.new.sender_id.get().into(),
            intent.new.receiver_id.get().into(),
            intent.new.amount.money().into(),
            Value::Text(&intent.new.description),
            Value::Text(Status::Processing.into()),
            Value::Text(first_verb(&intent.new).into()),
            Value::InSeconds(SETTLE_AFTER_SECONDS),
            Value::Text(identity),
            Value::Bytes(&intent.request.fingerprint),
            intent.now.into(),
            intent.now.into(),
        ]);
        order.push(intent);
    }
    if !order.is_empty() {
        let step: i64 =
            sqlx::query_scalar("SELECT CAST(@@auto_increment_increment AS SIGNED)").fetch_one(&mut *conn).await?;
        // a request that another instance writes at this moment waits at the unique key
        let written = insert.execute(conn).await.map_err(db::raced)?;
        let first = i64::try_from(written.last_insert_id()).expect("ids fit BIGINT");
        for (id, intent) in (first..).step_by(usize::try_from(step).expect("a step is positive")).zip(order) {
            let id = TransactionId::try_from(id).expect("generated ids are positive");
            new.insert(&intent.request.identity, Some(written_row(id, intent)));
        }
    }
    let answer = |intent: &Intent| {
        let identity = intent.request.identity.as_str();
        if let Some(row) = new.get_mut(identity).and_then(Option::take) {
            known.insert(identity.to_owned(), row.clone());
            return Inserted::New(row);
        }
        Inserted::Before(known[identity].clone())
    };
    Ok(intents.iter().map(answer).collect())
}

async fn find_requests(conn: &mut MySqlConnection, intents: &[Intent]) -> sqlx::Result<HashMap<String, Transaction>> {
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
