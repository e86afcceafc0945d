//! The routes of report-service, one file for each resource.

pub mod charts;
pub mod reports;
pub mod statements;
pub mod summaries;
pub mod sync;
