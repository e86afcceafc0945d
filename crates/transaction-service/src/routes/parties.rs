//! Transactions with the names of both parties, for whoever asks for them.

use common::{
    Result,
    extract::Json,
    page::{Listed, Page},
    request,
};
use money::UserId;
use mysql::scan::Stretch;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::body::{Body, Expand};
use crate::{
    app::{names::Names, transfers::Transfers},
    domain::transaction::Transaction,
};

request! {
    /// How a transaction is shown.
    pub struct ShowQuery {
        /// With what besides: `parties` adds the display names of sender and receiver.
        pub expand: Option<Expand>,
    }
}

/// A transaction as it is shown, with the names of both parties if they were asked for.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ShownTransaction", example = json!({
    "id": 10,
    "sender_id": 1,
    "receiver_id": 2,
    "amount": 10_000,
    "captured_amount": 0,
    "refunded_amount": 0,
    "status": "pending",
    "description": "Payment for goods",
    "created_at": "2025-11-12T10:30:00.000000Z",
    "updated_at": "2025-11-12T10:30:00.000000Z",
}))]
pub struct Shown {
    #[serde(flatten)]
    transaction: Body,
    /// Who pays.
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<Party>,
    /// Who is paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    receiver: Option<Party>,
}

/// A party to a transaction, as the other one may see it.
#[derive(Debug, Serialize, JsonSchema)]
struct Party {
    id: UserId,
    /// The first word of the name, and the initial of the last one; `Closed account` where there is no account any more.
    display_name: String,
}

impl Shown {
    fn of(row: Transaction, names: Option<&Names>) -> Self {
        let party = |id| names.map(|names| Party { id, display_name: names.of(id) });
        Self { sender: party(row.sender_id), receiver: party(row.receiver_id), transaction: row.into() }
    }
}

/// A transaction as it was asked for.
pub(super) async fn shown(transfers: &Transfers, row: Transaction, expand: Option<Expand>) -> Result<Json<Shown>> {
    let names = names(transfers, std::slice::from_ref(&row), expand).await?;
    Ok(Json(Shown::of(row, names.as_ref())))
}

/// A page of transactions as it was asked for; the names of all of them are asked for together.
pub(super) async fn listed(
    transfers: &Transfers,
    page: Page,
    found: Stretch<Transaction>,
    expand: Option<Expand>,
) -> Result<Listed<Shown>> {
    let on_page = found.items.len().min(page.limit as usize);
    let names = names(transfers, &found.items[..on_page], expand).await?;
    Ok(page.answer_as(found, |row| row.id.get(), |row| Shown::of(row, names.as_ref())))
}

async fn names(transfers: &Transfers, rows: &[Transaction], expand: Option<Expand>) -> Result<Option<Names>> {
    match expand {
        Some(Expand::Parties) => {
            transfers.names(rows.iter().flat_map(|row| [row.sender_id, row.receiver_id])).await.map(Some)
        }
        None => Ok(None),
    }
}
