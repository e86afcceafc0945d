//! The rules of money, and what users are told. Pure: no database, no network, no clock.

pub mod book;
pub mod notices;
pub mod operation;
