//! How a service serves HTTP and calls the others.

pub mod client;
pub mod serve;
