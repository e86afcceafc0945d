//! The SQL of user-service outside the ledger. Each function takes a connection; the caller owns the transaction.

pub mod attempts;
pub mod backups;
pub mod revocations;
pub mod tokens;
pub mod users;
