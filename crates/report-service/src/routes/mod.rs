//! The routes of report-service, one file for each resource.

pub mod overview;
pub mod reports;
pub mod summaries;
pub mod sync;
