//! What can be done with accounts and their money: one file for each.

pub mod audit;
pub mod change;
pub mod close;
pub mod entries;
pub mod freeze;
pub mod ledger;
pub mod limits;
pub mod login;
pub mod lookup;
pub mod passwords;
mod post;
pub mod register;
pub mod totals;
