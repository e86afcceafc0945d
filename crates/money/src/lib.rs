//! The values that the wallet speaks in: exact amounts, identities, moments and periods, what people write, and e-mail
//! addresses. Pure: no input or output but the clock.

mod amount;
mod email;
pub mod ids;
mod split;
#[cfg(feature = "sql")]
mod sql;
pub mod text;
pub mod time;

pub use amount::{Amount, AmountBound, InvalidAmount, MAX_BALANCE, MAX_DECIMALS, MAX_DIGITS, MAX_STORED, Money};
pub use email::Email;
pub use ids::{BatchId, NotificationId, ReconciliationId, ScheduleId, TransactionId, UserId};
pub use split::split;
