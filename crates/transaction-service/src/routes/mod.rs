//! The routes of transaction-service, one file for each resource.

mod body;
pub mod captures;
pub mod feed;
pub mod payment_requests;
pub mod refunds;
pub mod transactions;
