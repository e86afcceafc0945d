//! Calls to other services.

mod users;

pub use users::{Found, TriedSteps, UserClient};
