//! The routes of user-service, one file for each resource.

pub mod auth;
pub mod balance;
pub mod fields;
pub mod internal;
pub mod users;

use common::ApiError;

fn user_not_found() -> ApiError {
    ApiError::not_found("user_not_found", "There is no such user")
}

fn email_taken() -> ApiError {
    ApiError::conflict("email_taken", "An account with this e-mail address exists already")
        .field("email", "is used by another account")
}
