//! Entries: every movement of a balance.

use axum::extract::State;
use chrono::{DateTime, Utc};
use common::{
    Result,
    as_of::AsOf,
    caller::Viewer,
    page::{Cursor, List, Listed},
};
use money::{Money, TransactionId, UserId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{
    app::sync::Sync,
    domain::entry::{Entry, Place, Whose},
    store::entries as store,
};

impl Cursor for Place {
    fn schema() -> serde_json::Value {
        json!({"type": "string", "pattern": "^[0-9]+-[0-9]+$"})
    }
}

/// Somebody on the other side of an entry.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Counterparty {
    id: UserId,
    /// The first word of the name, and the initial of the last one; `Closed account` if there is no longer one.
    display_name: String,
}

impl Counterparty {
    /// Whoever has this number and this name.
    pub fn new(id: UserId, display_name: String) -> Self {
        Self { id, display_name }
    }
}

/// A movement of the balance that a user can spend.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Entry", example = json!({
    "id": 655_361,
    "created_at": "2025-11-12T10:30:00.000000Z",
    "kind": "transfer",
    "amount": -10_000,
    "balance_after": 90_000,
    "counterparty": {"id": 2, "display_name": "Jane D."},
    "transaction_id": 10,
    "reference": "invoice-17",
    "description": "Lunch",
}))]
pub struct EntryBody {
    id: i64,
    created_at: DateTime<Utc>,
    /// `topup`, `credit`, `debit`, `transfer`, `hold`, `release`, `capture`, `refund`, `fee` or `payout`; there may be more.
    kind: String,
    /// By how much the balance changed: negative if it fell.
    amount: Money,
    /// The balance after it.
    balance_after: Money,
    /// Who paid, or was paid, or is to be, if somebody; of several who are paid the first.
    counterparty: Option<Counterparty>,
    /// The transaction that it is of.
    transaction_id: Option<TransactionId>,
    /// What the caller calls it.
    reference: Option<String>,
    /// What was written on it.
    description: Option<String>,
}

/// `GET /entries/user/{user_id}`: every movement of the balance that the user can spend, newest first.
pub async fn list_of_user(
    Viewer { user, since }: Viewer,
    State(sync): State<Sync>,
    List(page, ()): List<(), Place>,
) -> Result<AsOf<Listed<EntryBody>>> {
    let (mut entries, moment) = {
        let mut snapshot = sync.entries(Some(user)).await?;
        let generation = snapshot.current.generation;
        let entries =
            store::newest(&mut snapshot, generation, Whose::of(user, since), page.cursor, page.rows()).await?;
        (entries, snapshot.current.true_at)
    };
    if entries.is_empty() {
        sync.must_have_existed(user).await?;
    }
    let has_more = entries.len() > page.limit as usize;
    entries.truncate(page.limit as usize);
    let next = entries.last().filter(|_| has_more).map(Entry::place);
    sync.write_texts(&mut entries).await?;
    let names = sync.names(entries.iter().filter_map(|entry| entry.counterparty_id)).await?;
    let body = |entry: Entry| EntryBody {
        id: entry.id,
        created_at: entry.created_at,
        kind: entry.kind,
        amount: entry.amount,
        balance_after: entry.balance_after,
        counterparty: entry.counterparty_id.map(|id| Counterparty::new(id, names[&id].clone())),
        transaction_id: entry.transaction_id,
        reference: entry.reference,
        description: entry.description,
    };
    Ok(AsOf(page.with_next(entries.into_iter().map(body).collect(), next), Some(moment)))
}
