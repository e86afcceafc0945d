//! The SQL of notification-service. Each function takes a connection; the caller owns the transaction.

pub mod claims;
#[cfg(test)]
mod costs;
pub mod meters;
pub mod migrations;
pub mod notifications;
