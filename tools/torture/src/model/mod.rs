//! What the wallet is meant to do, in as few words as possible and without a database, a network or a clock: the ledger and
//! the transfers. proptest looks for an order of events in which the design itself would lose money, and for one in which
//! the services do something else than the model.

mod ledger;
mod runner;
mod server;
mod transfer;
mod wire;

pub use server::{ledger_agrees, transfers_agree};
pub use transfer::transfers_hold;
