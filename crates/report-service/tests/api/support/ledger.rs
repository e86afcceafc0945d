//! user-service's ledger as the stub has it: operations, some of them not committed yet.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    extract::{Query, State},
    response::Response,
};
use chrono::{DateTime, Utc};
use money::time;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    sources::{Sources, text},
    stub::{as_of, down, raw},
};

/// What the stub knows of the ledger. Amounts are whole.
#[derive(Default)]
pub struct Ledger {
    /// The entries of each operation.
    operations: BTreeMap<i64, Vec<Value>>,
    /// Those that are not committed.
    uncommitted: BTreeSet<i64>,
    /// Those that the feed leaves out, against its promise.
    pub left_out: BTreeSet<i64>,
    closed: BTreeMap<i64, i64>,
    next: i64,
    legs: i64,
    balances: BTreeMap<i64, i64>,
    /// The most operations on a page, if fewer are to be given than are asked for.
    pub page: Option<usize>,
    /// How often a page was asked for.
    pub asked: usize,
}

impl Ledger {
    /// Begins the next operation.
    pub fn begin(&mut self) -> i64 {
        self.next += 1;
        self.legs = 0;
        self.next
    }

    /// Leaves out so many ids, as operations do that were rolled back.
    pub fn roll_back(&mut self, ids: i64) {
        self.next += ids;
    }

    /// Changes a balance in an operation, once those are committed that have changed it before; more fields of the entry are in `fields`.
    #[expect(clippy::needless_pass_by_value, reason = "they are written where they are passed")]
    pub fn change(&mut self, operation: i64, user: i64, (kind, amount): (&str, i64), fields: Value) -> i64 {
        let operations = &self.operations;
        self.uncommitted.retain(|late| operations[late].iter().all(|entry| entry["user_id"] != user));
        let balance = self.balances.entry(user).or_default();
        *balance += amount;
        let id = operation * 65_536 + self.legs;
        self.legs += 1;
        let mut entry = json!({
            "id": id, "user_id": user, "created_at": text(time::now()), "kind": kind, "amount": amount,
            "balance_after": balance,
        });
        entry.as_object_mut().unwrap().extend(fields.as_object().cloned().unwrap_or_default());
        self.operations.entry(operation).or_default().push(entry);
        id
    }

    /// An operation of one entry, committed.
    pub fn post(&mut self, user: i64, change: (&str, i64), fields: Value) -> i64 {
        let operation = self.begin();
        self.change(operation, user, change, fields)
    }

    /// A payment of `amount` from one user to another, committed.
    pub fn pay(&mut self, transaction: i64, from: i64, to: i64, amount: i64) -> i64 {
        let operation = self.begin();
        self.change(
            operation,
            from,
            ("transfer", -amount),
            json!({"counterparty_id": to, "transaction_id": transaction}),
        );
        self.change(
            operation,
            to,
            ("transfer", amount),
            json!({"counterparty_id": from, "transaction_id": transaction}),
        );
        operation
    }

    /// An operation does not show any more until it is committed.
    pub fn hide(&mut self, operation: i64) {
        self.uncommitted.insert(operation);
    }

    /// Commits everything.
    pub fn commit(&mut self) {
        self.uncommitted.clear();
    }

    /// Goes back to what it was after `operation`, like one that is restored from a backup.
    pub fn restore(&mut self, operation: i64) {
        self.operations.retain(|id, _| *id <= operation);
        self.next = operation;
        let ends = self.operations.values().flatten();
        let end = |entry: &Value| (entry["user_id"].as_i64().unwrap(), entry["balance_after"].as_i64().unwrap());
        self.balances = ends.map(end).collect();
    }

    /// Notes that the account of a user was closed.
    pub fn close(&mut self, user: i64) {
        let operation = self.begin();
        self.closed.insert(operation, user);
        self.operations.insert(operation, Vec::new());
    }

    /// The balance of a user once everything is committed.
    pub fn balance(&self, user: i64) -> i64 {
        self.balances.get(&user).copied().unwrap_or_default()
    }

    /// The numbers and amounts of a user's entries, oldest first.
    pub fn entries(&self, user: i64) -> Vec<(i64, i64)> {
        let of_user = self.operations.values().flatten().filter(|entry| entry["user_id"] == user);
        of_user.map(|entry| (entry["id"].as_i64().unwrap(), entry["amount"].as_i64().unwrap())).collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedQuery {
    after: i64,
    limit: usize,
}

/// `GET /internal/entries`
pub async fn feed(State(sources): State<Sources>, Query(query): Query<FeedQuery>) -> Response {
    let mut known = sources.known();
    known.ledger.asked += 1;
    if known.users_down {
        return down();
    }
    let ledger = &known.ledger;
    let limit = ledger.page.unwrap_or(query.limit).min(query.limit);
    let late = ledger.uncommitted.range(query.after + 1..).next().copied().unwrap_or(i64::MAX);
    let is_shown = |id: &i64| !ledger.uncommitted.contains(id) && !ledger.left_out.contains(id);
    let shown = ledger.operations.range(query.after + 1..).filter(|(id, _)| is_shown(id));
    let shown: Vec<_> = shown.take(limit).collect();
    let is_end = shown.len() < limit;
    let position = shown.iter().map(|(id, _)| **id).take_while(|id| *id < late).last().unwrap_or(query.after);
    let is_held_up = shown.last().is_some_and(|(id, _)| **id > position);
    let entries: Vec<&Value> = shown.iter().flat_map(|(_, entries)| *entries).collect();
    let closed: Vec<i64> = shown.iter().filter_map(|(id, _)| ledger.closed.get(id).copied()).collect();
    let last = entries.last().and_then(|entry| entry["created_at"].as_str()?.parse::<DateTime<Utc>>().ok());
    let moment = if is_end { Some(time::now()) } else { last };
    let page = json!({
        "entries": entries, "closed": closed, "position": position, "is_end": is_end, "is_held_up": is_held_up,
        "is_serving": false,
    });
    match moment {
        Some(moment) => as_of(moment, raw(page.to_string())),
        None => raw(page.to_string()),
    }
}
