//! The routes of transaction-service, one file for each resource.

mod body;
pub mod feed;
pub mod transactions;
