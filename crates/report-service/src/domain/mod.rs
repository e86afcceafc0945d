//! What reports, summaries, statements and charts are made of. Pure.

pub mod accept;
pub mod chain;
pub mod change;
pub mod chart;
pub mod entry;
pub mod language;
pub mod period;
pub mod statement;
pub mod totals;
pub mod verification;
