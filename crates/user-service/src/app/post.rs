//! Makes a batch of operations durable: lock, decide in memory, write, commit.

use std::collections::{BTreeSet, HashMap};

use batch::Baton;
use common::{
    fact::{AccountMovement, Fact},
    outbox,
};
use fault::point;
use money::{Money, UserId};
use mysql::{DbError, Unit, bulk::Id};
use sqlx::MySqlPool;

use crate::{
    domain::{
        book::{self, Applied, Balances, Book, Entry},
        facts,
        limits::{Exceeded, Rules},
        operation::{Movement, Operation, Outcome, Refusal},
    },
    store::ledger::{self as rows, NewOperation, Stored},
};

/// Posts `operations` in order, in one database transaction, where `rules` hold for limits. Safe to run again: what is stored is
/// answered again.
pub async fn post(
    pool: &MySqlPool,
    operations: &[Operation],
    rules: Rules,
    baton: &Baton,
) -> Result<Vec<Outcome>, DbError> {
    mysql::retry(|attempt| async move {
        let mut tx = begin(pool).await?;
        let outcomes = write(&mut tx, operations, rules, attempt).await?;
        // the next batch waits for this one's rows, if it touches any of them
        baton.pass();
        tx.commit().await?;
        Ok(outcomes)
    })
    .await
}

async fn begin(pool: &MySqlPool) -> sqlx::Result<Unit> {
    mysql::begin(pool, point!("ledger")).await
}

/// Says what would become of `operations`, in order, and how the account of `user` would then stand, if there is one. They are decided
/// under the locks of a post, in a unit of work of their own, which ends without a commit.
pub async fn try_out(
    pool: &MySqlPool,
    operations: &[Operation],
    rules: Rules,
    user: UserId,
) -> Result<(Vec<Outcome>, Option<Balances>), DbError> {
    mysql::retry(|_| async move {
        let mut unit = begin(pool).await?;
        // what begins has no hold that could be looked for: it has no number yet
        let carried_on = operations.iter().filter(|o| o.movement.needs_hold());
        let transactions = carried_on.flat_map(|o| o.movement.holds()).collect();
        let users = operations.iter().flat_map(|o| o.movement.users()).chain([user]).collect();
        let before = rows::lock(&mut unit, &transactions, &users, rules).await?;
        let stored =
            if operations.is_empty() { HashMap::new() } else { rows::find_operations(&mut unit, operations).await? };
        let Batch { after, outcomes, .. } = Batch::decide(&before, operations, stored);
        Ok((outcomes, after.accounts.get(&user).copied()))
    })
    .await
}

/// Most operations are new. The first attempt takes them for new, and fails as raced when a unique key knows better; the
/// others look.
async fn write(unit: &mut Unit, operations: &[Operation], rules: Rules, attempt: u32) -> Result<Vec<Outcome>, DbError> {
    // Lock order everywhere: holds, then accounts by ascending user, then inserts.
    let may_exist = |o: &&Operation| attempt > 1 || o.movement.needs_hold();
    let transactions = operations.iter().filter(may_exist).flat_map(|o| o.movement.holds()).collect();
    let users = operations.iter().flat_map(|o| o.movement.users()).collect();
    let before = rows::lock(unit, &transactions, &users, rules).await?;
    let stored = if attempt > 1 { rows::find_operations(unit, operations).await? } else { HashMap::new() };
    let batch = Batch::decide(&before, operations, stored);

    if !batch.new.is_empty() {
        let addresses = rows::addresses(unit, &batch.debited()).await?;
        let (new_holds, changed_holds) = batch.changed_holds(&before);
        let ids = rows::write_operations(unit, &batch.new);
        rows::write_entries(unit, &batch.entries(&ids));
        rows::write_new_holds(unit, &new_holds);
        rows::write_changed_holds(unit, &changed_holds);
        let (uncounted, counted) = batch.changed_balances(&before);
        rows::write_balances(unit, &uncounted);
        rows::write_balances_and_spent(unit, &counted);
        outbox::write(unit, &batch.facts(&addresses));
    }
    Ok(batch.outcomes)
}

/// A batch after its decisions.
struct Batch<'a> {
    after: Book,
    /// One for each operation asked for.
    outcomes: Vec<Outcome>,
    /// The operations to write, in the order of their ids.
    new: Vec<NewOperation<'a>>,
    /// The entries of each operation in `new`; empty for a refusal.
    legs: Vec<Vec<Entry>>,
}

impl<'a> Batch<'a> {
    fn decide(before: &Book, operations: &'a [Operation], mut known: HashMap<String, Stored>) -> Self {
        let mut batch = Self { after: before.clone(), outcomes: Vec::new(), new: Vec::new(), legs: Vec::new() };
        for operation in operations {
            let references: Vec<&str> = operation.references().collect();
            let (found, new): (Vec<&str>, Vec<&str>) = references.into_iter().partition(|r| known.contains_key(*r));
            if found.iter().any(|reference| known[*reference].fingerprint != operation.fingerprint) {
                let reused = Outcome { result: Err(Refusal::ReferenceReused), exceeded: None, replayed: false };
                batch.outcomes.push(reused);
                continue;
            }
            let outcome = match found.first() {
                Some(reference) => known[*reference].outcome,
                None => batch.carry_out(operation),
            };
            batch.outcomes.push(outcome);
            // from now on the operation is known under each; two items of one batch under one reference are one operation
            batch.alias(operation, outcome, if found.is_empty() { &new[1..] } else { &new });
            let again = Outcome { replayed: true, ..outcome };
            for reference in new {
                let stored = Stored { fingerprint: operation.fingerprint.clone(), outcome: again };
                known.insert(reference.to_owned(), stored);
            }
        }
        batch
    }

    /// Applies or refuses an operation that is new.
    fn carry_out(&mut self, operation: &'a Operation) -> Outcome {
        let (result, legs) = match self.after.apply(&operation.movement) {
            Ok(Applied { entries, balance }) => (Ok(balance), entries),
            Err(refusal) => (Err(refusal), Vec::new()),
        };
        let exceeded = self.exceeded(operation, result);
        let (reference, subject) = (&*operation.reference, operation.movement.subject());
        self.new.push(NewOperation { operation, reference, is_alias: false, subject, result, exceeded });
        self.legs.push(legs);
        Outcome { result, exceeded, replayed: false }
    }

    /// By what an operation exceeds a limit, if that is why it was refused: a refusal has changed no account.
    fn exceeded(&self, operation: &Operation, result: Result<Money, Refusal>) -> Option<Exceeded> {
        (result == Err(Refusal::LimitExceeded)).then(|| self.after.exceeded(&operation.movement)).flatten()
    }

    /// Writes more `references` of an operation, with its outcome: one unique key keeps all of them apart.
    fn alias(&mut self, operation: &'a Operation, outcome: Outcome, references: &[&'a str]) {
        let Outcome { result, exceeded, .. } = outcome;
        for &reference in references {
            let subject = operation.movement.subject();
            let leg = subject.filter(|_| result.is_ok()).map(book::of_alias);
            self.new.push(NewOperation { operation, reference, is_alias: true, subject, result, exceeded });
            self.legs.push(leg.into_iter().collect());
        }
    }

    fn entries(&self, ids: &[Id]) -> Vec<(Id, i64, Entry)> {
        let mut entries = Vec::new();
        for (id, legs) in ids.iter().zip(&self.legs) {
            entries.extend((0..).zip(legs).map(|(leg, entry)| (*id, leg, *entry)));
        }
        entries
    }

    fn changed_holds(&self, before: &Book) -> (Holds, Holds) {
        let changed = self.after.holds.iter().filter(|(id, hold)| before.holds.get(id) != Some(hold));
        changed.map(|(id, hold)| (*id, hold.clone())).partition(|(id, _)| !before.holds.contains_key(id))
    }

    /// The accounts that are not as they were: those of which nothing more or less counts against limits, and the others.
    fn changed_balances(&self, before: &Book) -> (Accounts, Accounts) {
        let changed = self.after.accounts.iter().filter(|(id, balances)| before.accounts.get(id) != Some(balances));
        let spent = |book: &Book, id: &UserId| book.accounts.get(id).and_then(|balances| balances.spent);
        changed.map(|(id, balances)| (*id, *balances)).partition(|(id, _)| spent(before, id) == spent(&self.after, id))
    }

    /// Whose money went out: they are notified at the address that they have now.
    fn debited(&self) -> BTreeSet<UserId> {
        let debited = |new: &NewOperation<'_>| match new.operation.movement {
            Movement::Debit { user_id, .. } if new.result.is_ok() && !new.is_alias => Some(user_id),
            _ => None,
        };
        self.new.iter().filter_map(debited).collect()
    }

    fn facts(&self, addresses: &HashMap<UserId, String>) -> Vec<Fact> {
        let fact = |new: &NewOperation<'_>| {
            let Operation { movement, note, origin, .. } = new.operation;
            let change = |user_id, amount| AccountMovement { user_id, amount, reference: note.clone() };
            match *movement {
                _ if new.result.is_err() || new.is_alias => None,
                Movement::Topup { user_id, amount } => Some(facts::topped_up(&change(user_id, amount), origin)),
                Movement::Debit { user_id, amount } => {
                    let address = addresses.get(&user_id)?.clone();
                    Some(facts::debited(&change(user_id, amount), address, origin))
                }
                _ => None,
            }
        };
        self.new.iter().filter_map(fact).collect()
    }
}

type Holds = Vec<(money::TransactionId, book::Hold)>;
type Accounts = Vec<(UserId, Balances)>;
