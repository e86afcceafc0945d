//! The SQL of transaction-service. Each function takes a connection; the caller owns the transaction.

pub mod feed;
pub mod lists;
pub mod transactions;

/// The columns of a [`crate::transfer::Transaction`].
macro_rules! columns {
    () => {
        "id, sender_id, receiver_id, amount, description, status, step, target, failure, accepted_at, expires_at,
         hidden_at, settle_attempts, request, fingerprint, version, created_at, updated_at, changed_at"
    };
}
pub(crate) use columns;
