//! What reports and summaries are made of. Pure.

pub mod chain;
pub mod change;
pub mod entry;
pub mod totals;
