//! What can be done with transactions: one file for each.

pub mod capture;
pub mod create;
pub mod decide;
pub mod expire;
pub mod later;
pub mod refund;
pub mod runs;
pub mod schedules;
pub mod settle;
pub mod transfers;
