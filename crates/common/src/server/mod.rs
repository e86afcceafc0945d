//! How a service serves HTTP, and how it starts and stops.

mod connection;
mod docs;
pub mod document;
mod limits;
mod metrics;
mod middleware;
mod open_files;
mod receive;
mod request;
mod run;

pub use metrics::METRICS_PATH;
pub use middleware::with_middleware;
pub use request::layer as request_layer;
pub use run::{begin, configured, exit, run};
