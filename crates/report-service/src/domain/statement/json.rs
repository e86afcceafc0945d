//! A statement as JSON.

use money::{Money, TransactionId, UserId, time};
use schemars::JsonSchema;
use serde::Serialize;

use super::head::{Head, Line};

/// Ends the entries and the statement.
pub const END: &[u8] = b"]}";

/// Writes JSON.
pub struct Json {
    is_first: bool,
}

#[derive(Serialize)]
struct Begin<'a> {
    user_id: UserId,
    name: &'a str,
    currency: &'a str,
    timezone: &'a str,
    from: String,
    to: String,
    opening_balance: Money,
    closing_balance: Money,
    total_in: Money,
    total_out: Money,
}

/// An entry as it is answered.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StatementEntry")]
pub struct Item<'a> {
    id: i64,
    created_at: String,
    kind: &'a str,
    amount: Money,
    balance_after: Money,
    counterparty: Option<Counterparty<'a>>,
    transaction_id: Option<TransactionId>,
    reference: Option<&'a str>,
    description: Option<&'a str>,
}

/// The other one.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Counterparty<'a> {
    id: UserId,
    display_name: &'a str,
}

impl Json {
    /// A writer, and all that stands before the entries.
    pub fn begin(head: &Head) -> (Self, Vec<u8>) {
        let begin = Begin {
            user_id: head.user_id,
            name: &head.name,
            currency: &head.currency,
            timezone: head.period.zone.name(),
            from: time::written(head.period.from),
            to: time::written(head.period.to),
            opening_balance: head.totals.opening_balance,
            closing_balance: head.totals.closing_balance,
            total_in: head.totals.total_in,
            total_out: head.totals.total_out,
        };
        let mut bytes = serde_json::to_vec(&begin).expect("it is text and numbers");
        bytes.pop(); // the brace that ends it
        bytes.extend_from_slice(b",\"entries\":[");
        (Self { is_first: true }, bytes)
    }

    /// The next entries.
    pub fn lines(&mut self, lines: &[Line]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for Line { entry, counterparty } in lines {
            if !self.is_first {
                bytes.push(b',');
            }
            self.is_first = false;
            let item = Item {
                id: entry.id,
                created_at: time::written(entry.created_at),
                kind: &entry.kind,
                amount: entry.amount,
                balance_after: entry.balance_after,
                counterparty: entry
                    .counterparty_id
                    .map(|id| Counterparty { id, display_name: counterparty.as_deref().unwrap_or_default() }),
                transaction_id: entry.transaction_id,
                reference: entry.reference.as_deref(),
                description: entry.description.as_deref(),
            };
            serde_json::to_writer(&mut bytes, &item).expect("it is text and numbers");
        }
        bytes
    }
}
