//! What must be identical in every service for safety: configuration, errors, amounts, callers, database access,
//! idempotency, the outbox, and how a service serves and calls HTTP.

pub mod accounts;
pub mod bulk;
pub mod caller;
pub mod client_address;
pub mod code;
pub mod config;
pub mod context;
pub mod db;
pub mod error;
pub mod extract;
pub mod fault;
pub mod fields;
pub mod group_commit;
pub mod http;
pub mod idempotency;
pub mod ids;
pub mod lease;
pub mod lookups;
pub mod money;
pub mod monitoring;
pub mod outbox;
pub mod page;
pub mod per_key;
pub mod reads;
mod recent;
pub mod revocation;
pub mod scan;
pub mod telemetry;
pub mod text;
pub mod time;
pub mod trace;
pub mod worker;

pub use code::Code;
pub use error::{ApiError, Result};
pub use ids::{NotificationId, TransactionId, UserId};
pub use money::{Amount, Money};
