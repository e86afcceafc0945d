//! The shares of transactions with several receivers.

use money::Money;
use mysql::{Unit, bulk::BulkInsert};

use crate::domain::change::Change;

/// What is written down of what each has got, in order, or of a refund has paid; nothing of one receiver.
pub fn written(change: &Change) -> Option<String> {
    let captured: Vec<Money> = change.shares.iter().map(|share| share.captured_amount).collect();
    (!captured.is_empty()).then(|| serde_json::to_string(&captured).expect("a list of amounts can be written"))
}

/// What each had got when that was written.
pub fn captured(text: Option<&str>) -> sqlx::Result<Vec<Money>> {
    let captured = text.map_or(Ok(Vec::new()), serde_json::from_str);
    captured.map_err(|error| sqlx::Error::Decode(error.into()))
}

/// Writes whose shares these transactions have, and whether they are open.
pub fn write<'a>(unit: &mut Unit, changes: impl Iterator<Item = &'a Change>) {
    let mut insert =
        BulkInsert::new("INSERT INTO transaction_shares (transaction_id, user_id, amount, is_open, counts)");
    for change in changes {
        for share in &change.shares {
            let (is_open, counts) = (change.status.is_open(), change.counts_for_share(share));
            insert.row(&[
                change.id.get().into(),
                share.user_id.get().into(),
                share.amount.into(),
                i64::from(is_open).into(),
                i64::from(counts).into(),
            ]);
        }
    }
    unit.insert(insert.on_duplicate(" ON DUPLICATE KEY UPDATE is_open = VALUES(is_open), counts = VALUES(counts)"));
}
