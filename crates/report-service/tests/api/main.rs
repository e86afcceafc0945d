//! The API of report-service on a real database, with one stub for user-service and transaction-service.

mod background;
mod charts;
mod entries;
mod errors;
mod histories;
mod outages;
mod overview;
mod owners;
mod reconciliations;
mod refresh;
mod reports;
mod splits;
mod statements;
mod summaries;
mod support;
mod sync;
