//! The SQL of report-service. Each function takes a connection; the caller owns the transaction.

pub mod copies;
pub mod entries;
pub mod entry_feeds;
pub mod flows;
pub mod migrations;
pub mod names;
pub mod overview;
#[cfg(test)]
mod plans;
pub mod reconciliations;
pub mod reports;
mod shares;
pub mod statements;
pub mod summaries;
pub mod sync_state;
