//! What can be done with accounts and their money: one file for each.

pub mod audit;
pub mod close;
pub mod ledger;
pub mod passwords;
mod post;
