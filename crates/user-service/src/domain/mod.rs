//! The rules of money, and the facts that follow. Pure: no database, no network, no clock.

pub mod book;
pub mod display_name;
pub mod entries;
pub mod facts;
pub mod limits;
pub mod operation;
pub mod refusal;
pub mod share;
