//! What is done with notifications, one file for each thing; [`delivery`] mails each of them once, when somebody asks for it,
//! or when the [`worker`] comes to it.

pub mod change;
pub mod create;
pub mod delivery;
pub mod receive;
pub mod resend;
mod server;
mod under_way;
pub mod worker;
