//! What the tests stand on.

pub mod certificates;
pub mod facts;
pub mod service;
pub mod users;
