//! How a service serves HTTP and calls the others.

pub mod api;
pub mod as_of;
pub mod client;
mod connection;
mod docs;
mod instances;
mod limits;
mod open_files;
mod receive;
pub mod serve;
