//! How a row of `transactions` is read.

use sqlx::{FromRow, Row, mysql::MySqlRow};

use crate::domain::{state::State, transaction::Transaction};

impl FromRow<'_, MySqlRow> for Transaction {
    fn from_row(row: &MySqlRow) -> sqlx::Result<Self> {
        let state = (row.try_get("status")?, row.try_get("verb")?, row.try_get("target")?, row.try_get("failure")?);
        let state = State::of(state.0, state.1, state.2, state.3).ok_or_else(|| {
            sqlx::Error::Decode(
                format!("{:?}, {:?}, {:?} and {:?} are no state", state.0, state.1, state.2, state.3).into(),
            )
        })?;
        Ok(Self {
            id: row.try_get("id")?,
            sender_id: row.try_get("sender_id")?,
            receiver_id: row.try_get("receiver_id")?,
            amount: row.try_get("amount")?,
            description: row.try_get("description")?,
            state,
            step: row.try_get("step")?,
            accepted_at: row.try_get("accepted_at")?,
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
