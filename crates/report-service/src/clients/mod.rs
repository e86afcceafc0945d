//! Calls to other services.

mod transactions;
mod users;

pub use transactions::{MAX_IDS, PAGE, TransactionClient};
pub use users::{EntryPage, UserClient};
