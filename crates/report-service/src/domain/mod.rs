//! What reports, summaries, statements, charts and the overview are made of. Pure.

pub mod accept;
pub mod chain;
pub mod change;
pub mod chart;
pub mod entry;
pub mod groups;
pub mod language;
pub mod overview;
pub mod period;
pub mod reconciliation;
pub mod settle_time;
pub mod statement;
pub mod totals;
pub mod verification;
