//! Changes of transactions, with the facts that become true with them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use common::outbox;
use money::TransactionId;
use mysql::{
    DbError, Unit,
    bulk::{Assignment, BulkUpdate, Value, list},
};

use super::{SETTLE_AFTER_SECONDS, columns};
use crate::domain::{
    facts,
    state::{State, Status},
    transaction::Transaction,
    transition::{ChangeRequest, Changed},
};

/// A row before and after the requests for it.
struct Row {
    before: Transaction,
    after: Transaction,
}

/// Decides requests in their order, each on what the one before it left, has `unit` write them and the facts that become
/// true, and says what becomes of each request then. The statements are as many as there are kinds of changes, not requests.
///
/// Most transactions are as they were last seen. The first `attempt` takes them so, which the version in each update
/// makes sure of: if one is not, the commit is a lost race, as this is where a request would lose. The others lock the rows and look.
pub async fn plan(
    unit: &mut Unit,
    requests: &[&ChangeRequest],
    now: DateTime<Utc>,
    pending_ttl: u32,
    attempt: u32,
) -> Result<Vec<Changed>, DbError> {
    let rows = if attempt == 1 || requests.is_empty() { as_seen(requests) } else { lock(unit, requests).await? };
    let mut rows: BTreeMap<TransactionId, Row> =
        rows.into_iter().map(|row| (row.id, Row { before: row.clone(), after: row })).collect();
    let mut facts = Vec::new();
    let mut changed = Vec::with_capacity(requests.len());
    for request in requests {
        let Some(row) = rows.get_mut(&request.seen.id) else {
            changed.push(Changed { row: None, won: false });
            continue;
        };
        let status = row.after.status();
        let won = request.transition.apply(&mut row.after, now, &request.origin);
        changed.push(Changed { row: Some(row.after.clone()), won });
        facts.extend(facts::fact(status, &row.after, &request.origin));
    }
    if attempt == 1 && changed.iter().any(|changed| !changed.won) {
        return Err(mysql::stale());
    }
    let dirty: Vec<&Row> = rows.values().filter(|row| row.before.version != row.after.version).collect();
    unit.update(update(&dirty, pending_ttl));
    outbox::write(unit, &facts);
    Ok(changed)
}

fn as_seen(requests: &[&ChangeRequest]) -> Vec<Transaction> {
    requests.iter().map(|request| request.seen.clone()).collect()
}

async fn lock(unit: &mut Unit, requests: &[&ChangeRequest]) -> sqlx::Result<Vec<Transaction>> {
    let ids = list(requests.iter().map(|request| request.seen.id.get()));
    unit.read(format!(concat!("SELECT ", columns!(), " FROM transactions WHERE id IN {} ORDER BY id FOR UPDATE"), ids))
        .await
}

/// Writes rows that are at the version they had before.
fn update(rows: &[&Row], pending_ttl: u32) -> BulkUpdate {
    let mut update = BulkUpdate::new("transactions");
    for Row { before, after } in rows {
        let mut set: Vec<Assignment<'_>> =
            vec![("version", after.version.into()), ("updated_at", after.updated_at.into())];
        let mut also = |is_new: bool, column, value| set.extend(is_new.then_some((column, value)));
        let word = |word: Option<&'static str>| Value::from(word);
        let (old, new) = (before.state, after.state);
        also(old.status() != new.status(), "status", Value::Text(new.status().into()));
        also(before.step != after.step, "step", i64::from(after.step).into());
        also(old.verb() != new.verb(), "verb", word(new.verb().map(Into::into)));
        also(old.target() != new.target(), "target", word(new.target().map(Into::into)));
        also(old.failure() != new.failure(), "failure", word(new.failure().map(Into::into)));
        also(old != new, "due_at", due(new, pending_ttl));
        also(before.settle_attempts != after.settle_attempts, "settle_attempts", after.settle_attempts.into());
        also(before.accepted_at != after.accepted_at, "accepted_at", after.accepted_at.into());
        also(before.hidden_at != after.hidden_at, "hidden_at", after.hidden_at.into());
        let (old, new) = (before.hidden_from_sender_at, after.hidden_from_sender_at);
        also(old != new, "hidden_from_sender_at", new.into());
        let (old, new) = (before.hidden_from_receiver_at, after.hidden_from_receiver_at);
        also(old != new, "hidden_from_receiver_at", new.into());
        also(before.reason != after.reason, "status_reason", word(after.reason.map(Into::into)));
        also(before.actor != after.actor, "actor", Value::Text(&after.actor));
        also(before.description != after.description, "description", Value::Text(&after.description));
        also(before.request != after.request, "request", Value::Text(&after.request));
        update.row(after.id.get(), &set, ("version", before.version.into()));
    }
    update
}

/// When transaction-service acts on a transaction by itself.
fn due(state: State, pending_ttl: u32) -> Value<'static> {
    match state.status() {
        Status::Processing => Value::InSeconds(SETTLE_AFTER_SECONDS),
        Status::Pending => Value::InSeconds(pending_ttl),
        Status::Completed | Status::Failed | Status::Cancelled => Value::Null,
    }
}
