//! What the tests stand on.

pub mod certificates;
pub mod service;
pub mod users;
