//! The routes of user-service, one file for each resource.

pub mod auth;
pub mod balance;
pub mod entries;
pub mod fields;
mod funder;
pub mod internal;
pub mod limits;
mod shares;
pub mod states;
pub mod users;
