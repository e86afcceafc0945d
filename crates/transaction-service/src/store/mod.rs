//! The SQL of transaction-service. Each function takes a connection; the caller owns the transaction.

pub mod batches;
pub mod captures;
pub mod changes;
pub mod due;
pub mod feed;
pub mod intents;
mod labels;
pub mod lists;
pub mod migrations;
pub mod payment_requests;
mod row;
pub mod schedules;
mod shares;
#[cfg(test)]
pub mod testing;
pub mod transactions;
pub mod writer;

/// Seconds after which the settler takes over a step whose outcome was not stored.
const SETTLE_AFTER_SECONDS: u32 = 3;

/// The columns of a [`crate::domain::transaction::Transaction`].
macro_rules! columns {
    () => {
        "id, sender_id, receiver_id, amount, description, status, step, verb, target, failure, accepted_at, settled_at,
         hidden_at, hidden_from_sender_at, hidden_from_receiver_at, step_amount, captured_amount, refunded_amount, refund_of, batch_id,
         reference, metadata, execute_at, schedule_id, shares,
         status_reason AS reason, actor, settle_attempts, request, fingerprint, version, created_at, updated_at, changed_at"
    };
}
pub(crate) use columns;
