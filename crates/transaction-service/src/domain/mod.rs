//! What a transaction is and what may become of it. Pure: no database, no network, no clock.

pub mod actor;
pub mod batch;
pub mod capture;
pub mod capture_record;
pub mod decision;
pub mod facts;
pub mod intent;
pub mod payment_request;
pub mod qr_code;
pub mod reason;
pub mod receiver;
pub mod recurrence;
pub mod request_facts;
pub mod schedule;
pub mod shares;
mod sharing;
pub mod state;
pub mod step;
pub mod transaction;
pub mod transition;
