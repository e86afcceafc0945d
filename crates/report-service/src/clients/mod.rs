//! Calls to other services.

mod transactions;
mod users;

pub use transactions::{Change, PAGE, Position, Status, TransactionClient};
pub use users::UserClient;
