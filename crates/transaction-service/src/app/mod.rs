//! What can be done with transactions: one file for each.

pub mod create;
pub mod decide;
pub mod expire;
pub mod settle;
pub mod transfers;
