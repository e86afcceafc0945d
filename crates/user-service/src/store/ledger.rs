//! The ledger's SQL: what locks accounts and holds, and what writes operations, entries, holds and balances. Each function is
//! one statement for a whole batch.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use common::caller::AccountState;
use money::{Amount, Money, TransactionId, UserId};
use mysql::{
    Unit,
    bulk::{BulkInsert, Id, Value, list},
};

use crate::domain::{
    book::{Balances, Book, Entry, Hold},
    limits::{Exceeded, Limit, Rules, Setting, Settings, Spent},
    operation::{Operation, Outcome, Refusal, Transfer},
};

/// An operation that stands in the ledger already.
pub struct Stored {
    pub fingerprint: Vec<u8>,
    pub outcome: Outcome,
}

/// An operation as it is written: what was asked and what became of it.
pub struct NewOperation<'a> {
    pub operation: &'a Operation,
    pub reference: &'a str,
    /// True for one more reference of an operation that stands in the ledger already, or before this one.
    pub is_alias: bool,
    pub subject: Option<UserId>,
    pub result: Result<Money, Refusal>,
    pub exceeded: Option<Exceeded>,
}

/// The kind of an operation that is one more reference of another one.
const ALIAS: &str = "alias";

type HoldRow = (
    TransactionId,
    Option<UserId>,
    Option<UserId>,
    Option<Amount>,
    Money,
    Money,
    Money,
    Option<NaiveDate>,
    Option<String>,
);
type AccountRow = (
    UserId,
    Money,
    Money,
    i32,
    AccountState,
    Option<Money>,
    Option<Money>,
    Option<Money>,
    Option<NaiveDate>,
    Option<Money>,
    Option<Money>,
);
type OperationRow =
    (String, Vec<u8>, Option<Money>, Option<Refusal>, Option<Limit>, Option<Money>, Option<DateTime<Utc>>);

/// Locks the holds that exist among `transactions`, and then the accounts of `users` that are not closed, each in ascending
/// order.
pub async fn lock(
    unit: &mut Unit,
    transactions: &BTreeSet<TransactionId>,
    users: &BTreeSet<UserId>,
    rules: Rules,
) -> sqlx::Result<Book> {
    if transactions.is_empty() {
        return Ok(Book { accounts: lock_accounts(unit, users).await?, holds: BTreeMap::new(), rules });
    }
    let sql = format!(
        "SELECT transaction_id, sender_id, receiver_id, amount, captured, released, refunded, counted_on, shares FROM holds
         WHERE transaction_id IN {} ORDER BY transaction_id FOR UPDATE",
        list(transactions.iter().map(|id| id.get())),
    );
    let (holds, accounts) = unit.read_both(sql, accounts_for_update(users)).await?;
    Ok(Book { accounts: by_user(accounts), holds: by_transaction(holds)?, rules })
}

fn by_transaction(rows: Vec<HoldRow>) -> sqlx::Result<BTreeMap<TransactionId, Hold>> {
    rows.into_iter()
        .map(|(transaction_id, sender, receiver, amount, captured, released, refunded, counted_on, shares)| {
            let transfer = sender.zip(receiver).zip(amount).map(|((sender_id, receiver_id), amount)| Transfer {
                transaction_id,
                sender_id,
                receiver_id,
                amount,
                shares: Vec::new(),
            });
            let shares = shares.map_or(Ok(Vec::new()), |text| serde_json::from_str(&text));
            let shares = shares.map_err(|error| sqlx::Error::Decode(error.into()))?;
            Ok((transaction_id, Hold { transfer, captured, released, refunded, counted_on, shares }))
        })
        .collect()
}

/// The accounts of `users` that are not closed, locked in ascending order.
pub async fn lock_accounts(unit: &mut Unit, users: &BTreeSet<UserId>) -> sqlx::Result<BTreeMap<UserId, Balances>> {
    Ok(by_user(unit.read(accounts_for_update(users)).await?))
}

fn accounts_for_update(users: &BTreeSet<UserId>) -> String {
    format!(
        "SELECT user_id, available, held, incoming, state, limit_per_transaction, limit_per_day, limit_per_month,
                spent_on, spent_day, spent_month FROM accounts
         WHERE state <> 'closed' AND user_id IN {} ORDER BY user_id FOR UPDATE",
        list(users.iter().map(|id| id.get())),
    )
}

fn by_user(rows: Vec<AccountRow>) -> BTreeMap<UserId, Balances> {
    rows.into_iter()
        .map(|(id, available, held, incoming, state, transaction, day, month, spent_on, spent_day, spent_month)| {
            let settings = settings(transaction, day, month);
            let spent = spent(spent_on, spent_day, spent_month);
            (id, Balances { available, held, incoming, state, settings, spent })
        })
        .collect()
}

/// What is set for the limits of an account, from its columns.
pub(super) fn settings(transaction: Option<Money>, day: Option<Money>, month: Option<Money>) -> Settings {
    Settings { per_transaction: Setting::of(transaction), per_day: Setting::of(day), per_month: Setting::of(month) }
}

/// What counts against the limits of an account, from its columns.
pub(super) fn spent(on: Option<NaiveDate>, day: Option<Money>, month: Option<Money>) -> Option<Spent> {
    on.map(|on| Spent { on, day: day.unwrap_or_default(), month: month.unwrap_or_default() })
}

/// The addresses of `users`, whose accounts are locked.
pub async fn addresses(unit: &mut Unit, users: &BTreeSet<UserId>) -> sqlx::Result<HashMap<UserId, String>> {
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    let users = list(users.iter().map(|id| id.get()));
    let sql = format!("SELECT id, email FROM users WHERE email IS NOT NULL AND id IN {users}");
    let rows: Vec<(UserId, String)> = unit.read(sql).await?;
    Ok(rows.into_iter().collect())
}

/// What is stored under the references of `operations`.
pub async fn find_operations(unit: &mut Unit, operations: &[Operation]) -> sqlx::Result<HashMap<String, Stored>> {
    let references = list(operations.iter().flat_map(Operation::references));
    let sql = format!(
        "SELECT reference, fingerprint, balance_after, refusal, exceeded, remaining, resets_at
         FROM operations WHERE reference IN {references}"
    );
    let rows: Vec<OperationRow> = unit.read(sql).await?;
    Ok(rows
        .into_iter()
        .map(|(reference, fingerprint, balance, refusal, limit, remaining, resets_at)| {
            let result = refusal.map_or(Ok(balance.unwrap_or_default()), Err);
            let exceeded = limit.zip(remaining).map(|(limit, remaining)| Exceeded { limit, remaining, resets_at });
            (reference, Stored { fingerprint, outcome: Outcome { result, exceeded, replayed: true } })
        })
        .collect())
}

const OPERATION: &str = "INSERT INTO operations
             (reference, fingerprint, kind, transaction_id, user_id, balance_after, refusal, note, metadata, actor,
              request_id)";
/// The same, where some are refused for a limit.
const OPERATION_BEYOND_LIMIT: &str = "INSERT INTO operations
             (reference, fingerprint, kind, transaction_id, user_id, balance_after, refusal, note, metadata, actor,
              request_id, exceeded, remaining, resets_at)";

/// Writes operations; the entries are written under the ids that this answers.
pub fn write_operations(unit: &mut Unit, operations: &[NewOperation<'_>]) -> Vec<Id> {
    let within_limits = operations.iter().all(|new| new.exceeded.is_none());
    let mut insert = BulkInsert::new(if within_limits { OPERATION } else { OPERATION_BEYOND_LIMIT });
    for new in operations {
        let Operation { fingerprint, movement, note, metadata, origin, .. } = new.operation;
        let metadata = (!metadata.is_empty()).then(|| metadata.to_json());
        let mut row = vec![
            Value::Text(new.reference),
            Value::Bytes(fingerprint),
            Value::Text(if new.is_alias { ALIAS } else { movement.kind() }),
            movement.transaction().map(TransactionId::get).into(),
            new.subject.map(UserId::get).into(),
            new.result.ok().into(),
            new.result.err().map(<&'static str>::from).into(),
            note.as_deref().into(),
            metadata.as_deref().into(),
            Value::Text(origin.actor()),
            origin.request().into(),
        ];
        if !within_limits {
            let exceeded = new.exceeded;
            row.extend::<[Value<'_>; 3]>([
                exceeded.map(|exceeded| <&'static str>::from(exceeded.limit)).into(),
                exceeded.map(|exceeded| exceeded.remaining).into(),
                exceeded.and_then(|exceeded| exceeded.resets_at).into(),
            ]);
        }
        insert.row(&row);
    }
    unit.insert_with_ids(insert)
}

/// Appends entries, each with its operation and its place in it. Most operations are of one transaction, which their own row names.
pub fn write_entries(unit: &mut Unit, entries: &[(Id, i64, Entry)]) {
    let values = |(operation, leg, entry): &(Id, i64, Entry)| {
        [
            (*operation).into(),
            (*leg).into(),
            Value::Text(entry.account.into()),
            entry.user.get().into(),
            entry.amount.into(),
            entry.balance_after.into(),
        ]
    };
    let mut of_one =
        BulkInsert::new("INSERT INTO ledger_entries (operation_id, leg, account, user_id, amount, balance_after)");
    let mut of_several = BulkInsert::new(
        "INSERT INTO ledger_entries (operation_id, leg, account, user_id, amount, balance_after, transaction_id, is_fee)",
    );
    let mut fees = BulkInsert::new(
        "INSERT INTO ledger_entries (operation_id, leg, account, user_id, amount, balance_after, is_fee)",
    );
    for entry in entries {
        match entry.2 {
            Entry { transaction: Some(transaction), is_fee, .. } => {
                let fee = is_fee.then_some(1).into();
                of_several.row(&[&values(entry)[..], &[transaction.get().into(), fee]].concat());
            }
            Entry { is_fee: true, .. } => fees.row(&[&values(entry)[..], &[1.into()]].concat()),
            Entry { .. } => of_one.row(&values(entry)),
        }
    }
    unit.insert(of_one);
    unit.insert(of_several);
    unit.insert(fees);
}

const HOLD: &str =
    "INSERT INTO holds (transaction_id, sender_id, receiver_id, amount, captured, released, refunded, counted_on)";
/// The same, where several are paid of some.
const SHARED_HOLD: &str = "INSERT INTO holds (transaction_id, sender_id, receiver_id, amount, captured, released, refunded, counted_on, shares)";

/// Writes holds that did not exist. A row that another batch wrote meanwhile is a duplicate key, never overwritten.
pub fn write_new_holds(unit: &mut Unit, holds: &[(TransactionId, Hold)]) {
    let has_shares = holds.iter().any(|(_, hold)| !hold.shares.is_empty());
    let mut insert = BulkInsert::new(if has_shares { SHARED_HOLD } else { HOLD });
    for (transaction, hold) in holds {
        let (counted_on, shares) = (hold.counted_on.map(|day| day.to_string()), shares(hold));
        let mut row = vec![
            transaction.get().into(),
            hold.transfer.as_ref().map(|t| t.sender_id.get()).into(),
            hold.transfer.as_ref().map(|t| t.receiver_id.get()).into(),
            hold.transfer.as_ref().map(|t| t.amount.money()).into(),
            hold.captured.into(),
            hold.released.into(),
            hold.refunded.into(),
            counted_on.as_deref().into(),
        ];
        if has_shares {
            row.push(shares.as_deref().into());
        }
        insert.row(&row);
    }
    unit.insert(insert);
}

/// Writes what has become of holds that are locked: each is a duplicate of itself.
pub fn write_changed_holds(unit: &mut Unit, holds: &[(TransactionId, Hold)]) {
    let mut plain = BulkInsert::new("INSERT INTO holds (transaction_id, captured, released, refunded)");
    let mut shared = BulkInsert::new("INSERT INTO holds (transaction_id, captured, released, refunded, shares)");
    for (transaction, hold) in holds {
        let Hold { captured, released, refunded, .. } = *hold;
        let row = [transaction.get().into(), captured.into(), released.into(), refunded.into()];
        match shares(hold) {
            None => plain.row(&row),
            Some(shares) => shared.row(&[&row[..], &[Value::Text(&shares)]].concat()),
        }
    }
    unit.insert(
        plain.on_duplicate(" ON DUPLICATE KEY UPDATE captured = VALUES(captured), released = VALUES(released), refunded = VALUES(refunded)"),
    );
    unit.insert(shared.on_duplicate(
        " ON DUPLICATE KEY UPDATE captured = VALUES(captured), released = VALUES(released), refunded = VALUES(refunded),
             shares = VALUES(shares)",
    ));
}

/// What is kept of the shares of a hold, if it has any.
fn shares(hold: &Hold) -> Option<String> {
    let written = || serde_json::to_string(&hold.shares).expect("shares are plain structures");
    (!hold.shares.is_empty()).then(written)
}

/// Writes the new balances of accounts that are locked: each is a duplicate of itself.
pub fn write_balances(unit: &mut Unit, accounts: &[(UserId, Balances)]) {
    let mut insert = BulkInsert::new("INSERT INTO accounts (user_id, available, held, incoming)");
    for (user, balances) in accounts {
        let (available, held) = (balances.available.into(), balances.held.into());
        insert.row(&[user.get().into(), available, held, balances.incoming.into()]);
    }
    unit.insert(insert.on_duplicate(
        " ON DUPLICATE KEY UPDATE available = VALUES(available), held = VALUES(held), incoming = VALUES(incoming)",
    ));
}

/// The same for accounts of which something was counted against a limit, or no longer is.
pub fn write_balances_and_spent(unit: &mut Unit, accounts: &[(UserId, Balances)]) {
    let mut insert =
        BulkInsert::new("INSERT INTO accounts (user_id, available, held, incoming, spent_on, spent_day, spent_month)");
    for (user, balances) in accounts {
        let spent_on = balances.spent.map(|spent| spent.on.to_string());
        insert.row(&[
            user.get().into(),
            balances.available.into(),
            balances.held.into(),
            balances.incoming.into(),
            spent_on.as_deref().into(),
            balances.spent.map(|spent| spent.day).into(),
            balances.spent.map(|spent| spent.month).into(),
        ]);
    }
    unit.insert(insert.on_duplicate(
        " ON DUPLICATE KEY UPDATE available = VALUES(available), held = VALUES(held), incoming = VALUES(incoming),
             spent_on = VALUES(spent_on), spent_day = VALUES(spent_day), spent_month = VALUES(spent_month)",
    ));
}
