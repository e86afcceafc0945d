//! The SQL of user-service. Each function takes a connection; the caller owns the transaction.

pub mod attempts;
pub mod audits;
pub mod backups;
pub mod closing;
pub mod entries;
pub mod ledger;
pub mod limits;
pub mod lookups;
pub mod migrations;
pub mod revocations;
pub mod states;
pub mod tokens;
pub mod totals;
pub mod users;
pub mod verify;
