//! How a row of `transactions` is read.

use sqlx::{FromRow, Row, mysql::MySqlRow};

use money::{Amount, Money};

use common::labels::{Labels, Metadata, Reference};

use super::shares;
use crate::domain::{
    state::{State, Words},
    transaction::Transaction,
};

impl FromRow<'_, MySqlRow> for Transaction {
    fn from_row(row: &MySqlRow) -> sqlx::Result<Self> {
        let words = Words {
            status: row.try_get("status")?,
            verb: row.try_get("verb")?,
            target: row.try_get("target")?,
            failure: row.try_get("failure")?,
            amount: row.try_get("step_amount")?,
        };
        let state = State::of(words).ok_or_else(|| sqlx::Error::Decode(format!("{words:?} are no state").into()))?;
        let amount: Amount = row.try_get("amount")?;
        let captured: Option<Money> = row.try_get("captured_amount")?;
        let refunded: Option<Money> = row.try_get("refunded_amount")?;
        Ok(Self {
            id: row.try_get("id")?,
            sender_id: row.try_get("sender_id")?,
            receiver_id: row.try_get("receiver_id")?,
            amount,
            captured: captured.unwrap_or(Self::implied_captured(state, amount)),
            refunded: refunded.unwrap_or_default(),
            refund_of: row.try_get("refund_of")?,
            batch_id: row.try_get("batch_id")?,
            execute_at: row.try_get("execute_at")?,
            schedule_id: row.try_get("schedule_id")?,
            shares: shares::of(row)?,
            description: row.try_get("description")?,
            labels: labels(row)?,
            state,
            step: row.try_get("step")?,
            accepted_at: row.try_get("accepted_at")?,
            settled_at: row.try_get("settled_at")?,
            hidden_at: row.try_get("hidden_at")?,
            hidden_from_sender_at: row.try_get("hidden_from_sender_at")?,
            hidden_from_receiver_at: row.try_get("hidden_from_receiver_at")?,
            reason: row.try_get("reason")?,
            actor: row.try_get("actor")?,
            settle_attempts: row.try_get("settle_attempts")?,
            request: row.try_get("request")?,
            fingerprint: row.try_get("fingerprint")?,
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            changed_at: row.try_get("changed_at")?,
        })
    }
}

/// What its creator wrote on it.
pub(super) fn labels(row: &MySqlRow) -> sqlx::Result<Labels> {
    let reference: Option<String> = row.try_get("reference")?;
    let metadata: Option<String> = row.try_get("metadata")?;
    let metadata = metadata.map(|text| Metadata::of_json(&text)).transpose();
    let metadata = metadata.map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(Labels::of(reference.map(Reference), metadata))
}
