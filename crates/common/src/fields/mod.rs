//! The fields of a request, from a JSON object or a query string.
//!
//! Nothing a client sends is silently ignored, and every fault of a request is reported at once: a request type is a
//! [`request!`](crate::request) whose fields are read one by one, each fault is noted, and the rest is read all the same.

mod invalid;
mod json;
mod query;
mod read;

pub use read::{Fields, FromFields, from_json, from_query};
