//! The routes of user-service, one file for each resource.

pub mod auth;
pub mod balance;
pub mod fields;
mod funder;
pub mod internal;
pub mod users;

use common::ApiError;

use crate::codes;

fn email_taken() -> ApiError {
    ApiError::new(codes::EMAIL_TAKEN).field("email", "is used by another account")
}
