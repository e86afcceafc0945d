//! What the tests stand on.

pub mod ledger;
pub mod service;
pub mod sources;
pub mod stub;
