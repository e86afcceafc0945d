//! The routes of report-service, one file for each resource.

pub mod balances;
pub mod charts;
pub mod entries;
pub mod overview;
mod reconciliation_file;
pub mod reconciliations;
pub mod reports;
pub mod statements;
pub mod summaries;
pub mod sync;
