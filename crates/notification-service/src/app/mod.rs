//! What is done with notifications, one file for each thing; [`delivery`] mails each of them once, when somebody asks for it
//! ([`send_now`]), or when the [`worker`] comes to it.

pub mod change;
pub mod create;
pub mod delivery;
mod due;
pub mod receive;
pub mod resend;
pub mod send_now;
mod server;
mod under_way;
pub mod worker;
