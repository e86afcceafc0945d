//! Calls to other services.

mod transactions;
mod users;

pub use transactions::{AsOf, Change, MAX_IDS, PAGE, Position, Status, TransactionClient};
pub use users::UserClient;
