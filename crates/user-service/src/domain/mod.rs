//! The rules of money, and what is told of them. Pure: no database, no network, no clock.

pub mod book;
pub mod facts;
pub mod operation;
