//! Calls to other services.

mod instances;
mod service;

pub use service::{CallError, ServiceClient, blocking_http_client, http_client};
