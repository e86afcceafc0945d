//! What reports, summaries and the overview are made of. Pure.

pub mod chain;
pub mod change;
pub mod entry;
pub mod overview;
pub mod reconciliation;
pub mod settle_time;
pub mod totals;
