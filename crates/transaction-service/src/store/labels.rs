//! What transactions are found by: their reference and their metadata.

use common::labels::Lookup;
use money::UserId;
use mysql::{
    Unit,
    bulk::{BulkInsert, Value},
};
use sqlx::{MySql, QueryBuilder};

use crate::domain::{intent::NewTransaction, shares::others};

/// Stands for those who see everybody's transactions.
const EVERYBODY: i64 = 0;

/// The index that has what is found in the order of the ids.
pub const INDEX: &str = "PRIMARY";

/// Writes what new transactions, each with its id, are found by.
pub fn insert<'a>(unit: &mut Unit, transactions: impl Iterator<Item = (i64, &'a NewTransaction)>) {
    let mut insert = BulkInsert::new("INSERT INTO transaction_labels (user_id, lookup, id)");
    for (id, new) in transactions {
        for Lookup(lookup) in new.labels.lookups() {
            let parties = [EVERYBODY, new.sender_id.get(), new.receiver_id.get()].into_iter();
            for user in parties.chain(others(&new.shares).map(UserId::get)) {
                insert.row(&[user.into(), Value::Bytes(&lookup), id.into()]);
            }
        }
    }
    unit.insert(insert);
}

/// Appends the condition of those that `user`, or whoever sees everybody's, finds by `lookup`.
pub fn push_range(query: &mut QueryBuilder<MySql>, user: Option<UserId>, lookup: &Lookup) {
    query.push("user_id = ").push_bind(user.map_or(EVERYBODY, UserId::get));
    query.push(" AND lookup = ").push_bind(lookup.0.to_vec());
}

/// Appends the condition that `lookup` finds the transaction of the row at hand.
pub fn push_has(query: &mut QueryBuilder<MySql>, lookup: &Lookup) {
    query.push(" AND EXISTS (SELECT 1 FROM transaction_labels AS label WHERE label.user_id = ").push_bind(EVERYBODY);
    query.push(" AND label.lookup = ").push_bind(lookup.0.to_vec()).push(" AND label.id = transactions.id)");
}
