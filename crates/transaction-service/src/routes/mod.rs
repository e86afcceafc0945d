//! The routes of transaction-service, one file for each resource.

mod batch_body;
pub mod batches;
mod body;
pub mod captures;
mod existence;
pub mod feed;
pub mod list_query;
mod parties;
pub mod payment_requests;
pub mod refunds;
mod refusals;
pub mod schedules;
pub mod splits;
pub mod transactions;
mod tried;
