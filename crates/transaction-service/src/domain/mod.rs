//! What a transaction is and what may become of it. Pure: no database, no network, no clock.

pub mod actor;
pub mod decision;
pub mod intent;
pub mod outcome;
pub mod reason;
pub mod step;
pub mod transaction;
pub mod transition;
