//! How a service serves HTTP and calls the others.

pub mod api;
pub mod client;
mod docs;
mod limits;
pub mod serve;
