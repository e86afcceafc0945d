//! How a service serves HTTP and calls the others.

pub mod client;
mod limits;
pub mod serve;
