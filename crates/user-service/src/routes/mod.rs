//! The routes of user-service, one file for each resource.

pub mod auth;
pub mod balance;
pub mod fields;
mod funder;
pub mod internal;
pub mod users;

use common::{ApiError, Code};

fn email_taken() -> ApiError {
    ApiError::new(Code::EmailTaken).field("email", "is used by another account")
}
