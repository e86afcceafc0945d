//! Changes of transactions, with the facts that become true with them.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use common::outbox;
use money::{Amount, Money, TransactionId};
use mysql::{
    DbError, Unit,
    bulk::{Assignment, BulkUpdate, Value, list},
};

use super::{SETTLE_AFTER_SECONDS, captures, columns, shares};
use crate::domain::{
    capture_record::CaptureRecord,
    decision::Ruling,
    facts::{self, Before},
    state::Status,
    transaction::Transaction,
    transition::{ChangeRequest, Changed, Transition, refund},
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
    let known = if attempt == 1 { HashSet::new() } else { captures::known(unit, keys(requests)).await? };
    let mut facts = Vec::new();
    let mut changed = Vec::with_capacity(requests.len());
    for request in requests {
        let Some(row) = rows.get_mut(&request.seen.id) else {
            changed.push(Changed { row: None, won: false });
            continue;
        };
        let before = Before::of(&row.after);
        let is_known = key(request).is_some_and(|key| known.contains(key));
        let won = !is_known && request.transition.apply(&mut row.after, now, &request.origin);
        let after = row.after.clone();
        if won {
            facts.extend(facts::fact(&before, &after, &request.origin));
            match &request.transition {
                Transition::Decide(Ruling { request, .. }) => {
                    captures::insert(unit, CaptureRecord::of(&after, request.as_ref()));
                }
                Transition::Outcome { step, .. } if before.has_captured_amount(&after) => {
                    captures::settle(unit, after.id, *step, now);
                }
                _ => {}
            }
            if let Some(of) = &request.refunded
                && after.status() == Status::Completed
                && let Some(row) = rows.get_mut(&of.id)
            {
                refund(&mut row.after, &after, now);
            }
        }
        changed.push(Changed { row: Some(after), won });
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
    requests.iter().flat_map(|request| rows_of(request)).cloned().collect()
}

/// The transactions that a request is about.
fn rows_of(request: &ChangeRequest) -> impl Iterator<Item = &Transaction> {
    std::iter::once(&request.seen).chain(&request.refunded)
}

/// What a request is known by, if it is for a capture and has a key.
fn key(request: &ChangeRequest) -> Option<&str> {
    match &request.transition {
        Transition::Decide(Ruling { request: Some(request), .. }) => Some(&request.identity),
        _ => None,
    }
}

fn keys<'a>(requests: &'a [&ChangeRequest]) -> Vec<&'a str> {
    requests.iter().filter_map(|request| key(request)).collect()
}

async fn lock(unit: &mut Unit, requests: &[&ChangeRequest]) -> sqlx::Result<Vec<Transaction>> {
    let ids = list(requests.iter().flat_map(|request| rows_of(request)).map(|row| row.id.get()));
    unit.read(format!(concat!("SELECT ", columns!(), " FROM transactions WHERE id IN {} ORDER BY id FOR UPDATE"), ids))
        .await
}

/// Writes rows that are at the version they had before.
fn update(rows: &[&Row], pending_ttl: u32) -> BulkUpdate {
    let mut update = BulkUpdate::new("transactions");
    for Row { before, after } in rows {
        let mut set: Vec<Assignment<'_>> =
            vec![("version", after.version.into()), ("updated_at", after.updated_at.into())];
        let mut own: Vec<Assignment<'_>> = Vec::new();
        let mut also_own = |is_new: bool, column, value| own.extend(is_new.then_some((column, value)));
        let (old, new) = (before.state.words().amount, after.state.words().amount);
        also_own(old != new, "step_amount", new.map(Amount::money).into());
        also_own(captured(before) != captured(after), "captured_amount", captured(after).into());
        let (old, new) = (shares::written(&before.shares), shares::written(&after.shares));
        also_own(old != new, "shares", new.as_deref().into());
        also_own(before.refunded != after.refunded, "refunded_amount", after.refunded.into());
        let mut also = |is_new: bool, column, value| set.extend(is_new.then_some((column, value)));
        let word = |word: Option<&'static str>| Value::from(word);
        let (old, new) = (before.state.words(), after.state.words());
        also(old.status != new.status, "status", Value::Text(new.status.into()));
        also(before.step != after.step, "step", i64::from(after.step).into());
        also(old.verb != new.verb, "verb", word(new.verb.map(Into::into)));
        also(old.target != new.target, "target", word(new.target.map(Into::into)));
        also(old.failure != new.failure, "failure", word(new.failure.map(Into::into)));
        also(before.state != after.state, "due_at", due(after, pending_ttl));
        also(before.settle_attempts != after.settle_attempts, "settle_attempts", after.settle_attempts.into());
        also(before.accepted_at != after.accepted_at, "accepted_at", after.accepted_at.into());
        also(before.settled_at != after.settled_at, "settled_at", after.settled_at.into());
        also(before.hidden_at != after.hidden_at, "hidden_at", after.hidden_at.into());
        let (old, new) = (before.hidden_from_sender_at, after.hidden_from_sender_at);
        also(old != new, "hidden_from_sender_at", new.into());
        let (old, new) = (before.hidden_from_receiver_at, after.hidden_from_receiver_at);
        also(old != new, "hidden_from_receiver_at", new.into());
        also(before.reason != after.reason, "status_reason", word(after.reason.map(Into::into)));
        also(before.actor != after.actor, "actor", Value::Text(&after.actor));
        also(before.description != after.description, "description", Value::Text(&after.description));
        also(before.request != after.request, "request", Value::Text(&after.request));
        update.row(after.id.get(), &set, &own, ("version", before.version.into()));
    }
    update
}

/// What is written down of what the receiver has got. Most have got nothing or all, which need not be.
fn captured(row: &Transaction) -> Option<Money> {
    (row.captured != Transaction::implied_captured(row.state, row.amount)).then_some(row.captured)
}

/// When transaction-service acts on a transaction by itself. One of which a part is captured does not get more time.
fn due(row: &Transaction, pending_ttl: u32) -> Value<'static> {
    match row.status() {
        Status::Scheduled => row.execute_at.into(),
        Status::Processing => Value::InSeconds(SETTLE_AFTER_SECONDS),
        Status::Pending => {
            let pending_for = row.accepted_at.map_or(0, |since| (row.updated_at - since).num_seconds());
            Value::InSeconds(pending_ttl.saturating_sub(u32::try_from(pending_for).unwrap_or_default()))
        }
        Status::Completed | Status::Failed | Status::Cancelled => Value::Null,
    }
}
