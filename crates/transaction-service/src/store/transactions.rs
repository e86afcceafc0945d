//! Transactions by id: intents, changes, and the settler's lease.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use common::{
    TransactionId,
    bulk::{BulkInsert, Value},
    db::{self, DbError},
    outbox,
};
use sqlx::{MySqlConnection, QueryBuilder};

use super::columns;
use crate::transfer::{Change, NewTransaction, Request, Status, Transaction, Verb};

/// Seconds after which the settler takes over a step whose outcome was not stored.
pub const SETTLE_AFTER_SECONDS: u32 = 3;

/// A transaction that somebody wants to make.
#[derive(Debug, Clone)]
pub struct Intent {
    pub new: NewTransaction,
    pub request: Request,
    /// Seconds after which it expires, on the database's clock.
    pub pending_ttl: u32,
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

/// A change that somebody wants for one transaction.
#[derive(Debug, Clone)]
pub struct Wish {
    pub id: TransactionId,
    pub change: Change,
    pub now: DateTime<Utc>,
}

/// What became of a wish.
#[derive(Debug, Clone)]
pub struct Changed {
    /// The transaction as it stands then; `None` if there is none.
    pub row: Option<Transaction>,
    /// True if this wish changed it.
    pub won: bool,
}

/// Writes intents: `processing` transactions whose first verb is outstanding. One statement for all of them.
pub async fn insert_all(conn: &mut MySqlConnection, intents: &[Intent]) -> Result<Vec<Inserted>, DbError> {
    let mut known = find_requests(conn, intents).await?;
    let mut insert = BulkInsert::new(
        "INSERT INTO transactions
             (sender_id, receiver_id, amount, description, status, step, expires_at, settle_after,
              request, fingerprint, created_at, updated_at)",
    );
    let mut new: Vec<&Intent> = Vec::new();
    for intent in intents {
        // two intents of one batch under one request are one
        if known.contains_key(&intent.request.identity)
            || new.iter().any(|n| n.request.identity == intent.request.identity)
        {
            continue;
        }
        insert.row(&[
            intent.new.sender_id.get().into(),
            intent.new.receiver_id.get().into(),
            intent.new.amount.money().into(),
            Value::Text(&intent.new.description),
            Value::Text(Status::Processing.into()),
            Value::Text(first_verb(&intent.new).into()),
            Value::InSeconds(intent.pending_ttl),
            Value::InSeconds(SETTLE_AFTER_SECONDS),
            Value::Text(&intent.request.identity),
            Value::Bytes(&intent.request.fingerprint),
            intent.now.into(),
            intent.now.into(),
        ]);
        new.push(intent);
    }
    let mut fresh = HashMap::new();
    if !new.is_empty() {
        let step: i64 =
            sqlx::query_scalar("SELECT CAST(@@auto_increment_increment AS SIGNED)").fetch_one(&mut *conn).await?;
        // a request that another instance writes at this moment waits at the unique key, then starts again and finds it
        let written = insert.execute(conn).await.map_err(db::raced)?;
        let first = i64::try_from(written.last_insert_id()).expect("ids fit BIGINT");
        for (id, intent) in (first..).step_by(usize::try_from(step).expect("a step is positive")).zip(new) {
            let id = TransactionId::try_from(id).expect("generated ids are positive");
            fresh.insert(intent.request.identity.as_str(), written_row(id, intent));
        }
    }
    let answer = |intent: &Intent| {
        let identity = intent.request.identity.as_str();
        if let Some(row) = fresh.remove(identity) {
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
    let Intent { new, request, pending_ttl, now } = intent.clone();
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
        expires_at: now + TimeDelta::seconds(pending_ttl.into()), // nearly: the database has its own clock
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

/// Carries out wishes in their order, each on what the one before it left, and writes what the parties are told. A
/// constant number of statements for all of them.
pub async fn change_all(conn: &mut MySqlConnection, wishes: &[Wish], currency: &str) -> sqlx::Result<Vec<Changed>> {
    let mut query = QueryBuilder::new(concat!("SELECT ", columns!(), " FROM transactions WHERE id IN "));
    db::push_list(&mut query, wishes.iter().map(|wish| wish.id));
    query.push(" ORDER BY id FOR UPDATE");
    let rows: Vec<Transaction> = query.build_query_as().fetch_all(&mut *conn).await?;
    let mut rows: BTreeMap<TransactionId, (Transaction, bool)> =
        rows.into_iter().map(|row| (row.id, (row, false))).collect();
    let mut events = Vec::new();
    let mut changed = Vec::with_capacity(wishes.len());
    for wish in wishes {
        let Some((row, dirty)) = rows.get_mut(&wish.id) else {
            changed.push(Changed { row: None, won: false });
            continue;
        };
        let told = wish.change.apply(row, wish.now, currency);
        let won = told.is_some();
        *dirty |= won;
        events.extend(told.into_iter().flatten());
        changed.push(Changed { row: Some(row.clone()), won });
    }
    write_back(conn, rows.values().filter(|(_, dirty)| *dirty).map(|(row, _)| row)).await?;
    outbox::insert(conn, &events).await?;
    Ok(changed)
}

/// Writes rows that are locked: each is a duplicate of itself, so only the part behind ON DUPLICATE KEY takes effect.
async fn write_back(conn: &mut MySqlConnection, rows: impl Iterator<Item = &Transaction>) -> sqlx::Result<()> {
    let mut insert = BulkInsert::new(
        "INSERT INTO transactions
             (id, sender_id, receiver_id, amount, description, status, step, target, failure, accepted_at, expires_at,
              hidden_at, settle_after, settle_attempts, request, fingerprint, version, created_at, updated_at)",
    );
    for row in rows {
        insert.row(&[
            row.id.get().into(),
            row.sender_id.get().into(),
            row.receiver_id.get().into(),
            row.amount.money().into(),
            Value::Text(&row.description),
            Value::Text(row.status.into()),
            row.step.map(<&'static str>::from).into(),
            row.target.map(<&'static str>::from).into(),
            row.failure.map(<&'static str>::from).into(),
            row.accepted_at.into(),
            row.expires_at.into(),
            row.hidden_at.into(),
            row.step.map_or(Value::Null, |_| Value::InSeconds(SETTLE_AFTER_SECONDS)),
            i64::from(row.settle_attempts).into(),
            Value::Text(&row.request),
            Value::Bytes(&row.fingerprint),
            i64::from(row.version).into(),
            row.created_at.into(),
            row.updated_at.into(),
        ]);
    }
    let update = " ON DUPLICATE KEY UPDATE
         description = VALUES(description), status = VALUES(status), step = VALUES(step), target = VALUES(target),
         failure = VALUES(failure), accepted_at = VALUES(accepted_at), hidden_at = VALUES(hidden_at),
         settle_after = VALUES(settle_after), settle_attempts = VALUES(settle_attempts), request = VALUES(request),
         version = VALUES(version), updated_at = VALUES(updated_at)";
    insert.execute_or(conn, update).await?;
    Ok(())
}

/// The transaction `id`, hidden or not.
pub async fn find(conn: &mut MySqlConnection, id: TransactionId) -> sqlx::Result<Option<Transaction>> {
    sqlx::query_as(concat!("SELECT ", columns!(), " FROM transactions WHERE id = ?"))
        .bind(id)
        .fetch_optional(conn)
        .await
}

/// Claims steps that are overdue, at most `limit`, and pushes their next turn away: twice as far each time, up to a
/// minute. No other settler gets them until then.
pub async fn claim_overdue(conn: &mut MySqlConnection, limit: u32) -> sqlx::Result<Vec<Transaction>> {
    let overdue: Vec<TransactionId> =
        sqlx::query_scalar("SELECT id FROM transactions WHERE settle_after <= NOW(6) ORDER BY settle_after LIMIT ?")
            .bind(limit)
            .fetch_all(&mut *conn)
            .await?;
    let mut claimed = Vec::new();
    for id in overdue {
        // the time is looked at again under the row's lock: another settler may have been faster
        let taken = sqlx::query(
            "UPDATE transactions
             SET settle_after = NOW(6) + INTERVAL LEAST(? * POW(2, LEAST(settle_attempts, 5)), 60) SECOND,
                 settle_attempts = settle_attempts + 1
             WHERE id = ? AND settle_after <= NOW(6)",
        )
        .bind(SETTLE_AFTER_SECONDS)
        .bind(id)
        .execute(&mut *conn)
        .await?;
        if taken.rows_affected() == 1 {
            claimed.extend(find(conn, id).await?);
        }
    }
    Ok(claimed)
}

/// Gives a claimed step back for the next second: user-service was not reached, so nothing was tried.
pub async fn postpone(conn: &mut MySqlConnection, id: TransactionId) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE transactions SET settle_after = NOW(6) + INTERVAL 1 SECOND, settle_attempts = 1
         WHERE id = ? AND settle_after IS NOT NULL",
    )
    .bind(id)
    .execute(conn)
    .await?;
    Ok(())
}

/// Pending transactions whose time is over, at most `limit`.
pub async fn expired(conn: &mut MySqlConnection, limit: u32) -> sqlx::Result<Vec<TransactionId>> {
    sqlx::query_scalar(
        "SELECT id FROM transactions WHERE status = 'pending' AND expires_at <= NOW(6) ORDER BY expires_at LIMIT ?",
    )
    .bind(limit)
    .fetch_all(conn)
    .await
}
