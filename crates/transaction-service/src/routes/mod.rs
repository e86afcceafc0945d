//! The routes of transaction-service, one file for each resource.

mod body;
pub mod feed;
pub mod transactions;

use common::ApiError;

fn transaction_not_found() -> ApiError {
    ApiError::not_found("transaction_not_found", "There is no such transaction")
}
