//! How a service serves HTTP, and how it starts and stops.

mod connection;
mod docs;
pub mod document;
mod limits;
mod metrics;
mod open_files;
mod receive;
mod request;
mod run;
mod surround;

pub use metrics::METRICS_PATH;
pub use request::layer as request_layer;
pub use run::{begin, configured, exit, run};
pub use surround::surround;
