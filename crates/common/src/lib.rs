//! What a service is: its configuration, its errors, who calls it, what a request may hold, how it answers and describes
//! itself, how it calls the others, what it tells through the outbox, and how it starts, serves and stops.

pub mod answer;
pub mod as_of;
pub mod caller;
pub mod client;
pub mod code;
pub mod codes;
pub mod config;
pub mod csv;
pub mod describe;
pub mod dry_run;
pub mod durability;
pub mod error;
pub mod extract;
pub mod fact;
pub mod fields;
pub mod headers;
pub mod idempotency;
pub mod labels;
pub mod monitoring;
pub mod origin;
pub mod outbox;
pub mod page;
pub mod reads;
pub mod recent;
pub mod server;
pub mod standing;
pub mod telemetry;
pub mod trace;
pub mod worker;

pub use code::Code;
pub use error::{ApiError, Result};
