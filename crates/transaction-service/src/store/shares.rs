//! Shares of transactions of which several are paid: how they are written and read, and whose they are.

use mysql::{Unit, bulk::BulkInsert};
use sqlx::{Row, mysql::MySqlRow};

use crate::domain::{
    intent::NewTransaction,
    shares::{Share, others},
};

/// The table of those who have a share beyond the first, and the index that has a user's in the order of the ids.
pub const TABLE: &str = "transaction_shares";
pub const INDEX: &str = "PRIMARY";

/// What is kept of shares; nothing of a single receiver.
pub fn written(shares: &[Share]) -> Option<String> {
    let text = || serde_json::to_string(shares).expect("shares are plain structures");
    (!shares.is_empty()).then(text)
}

/// The shares of a row.
pub fn of(row: &MySqlRow) -> sqlx::Result<Vec<Share>> {
    parse(row.try_get("shares")?)
}

/// The shares that were written so.
pub fn parse(text: Option<String>) -> sqlx::Result<Vec<Share>> {
    let shares = text.map_or(Ok(Vec::new()), |text| serde_json::from_str(&text));
    shares.map_err(|error| sqlx::Error::Decode(error.into()))
}

/// Writes who finds new transactions, each with its id, beside its sender and receiver.
pub fn insert<'a>(unit: &mut Unit, transactions: impl Iterator<Item = (i64, &'a NewTransaction)>) {
    let mut insert = BulkInsert::new("INSERT INTO transaction_shares (user_id, id)");
    for (id, new) in transactions {
        for user in others(&new.shares) {
            insert.row(&[user.get().into(), id.into()]);
        }
    }
    unit.insert(insert);
}
