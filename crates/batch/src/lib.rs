//! What many requests do together: batches that share a commit or a call, look-ups that share a query, and a lock for each
//! key. Knows neither SQL nor HTTP.

mod batcher;
mod lookups;
mod per_key;

pub use batcher::{BATCH_SIZE, BatchError, Batcher, Baton, WAITING};
pub use lookups::Lookups;
pub use per_key::{Held, PerKey};
