//! The routes of transaction-service, one file for each resource.

mod body;
pub mod captures;
pub mod feed;
pub mod refunds;
pub mod schedules;
pub mod transactions;
