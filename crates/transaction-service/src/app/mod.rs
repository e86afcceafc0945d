//! What can be done with transactions: one file for each.

pub mod batch;
pub mod capture;
pub mod clock;
pub mod create;
pub mod decide;
pub mod dry_run;
pub mod expire;
pub mod later;
pub mod names;
pub mod payment_requests;
pub mod receiver;
pub mod refund;
pub mod runs;
pub mod schedules;
pub mod settle;
mod standing;
pub mod transfers;
