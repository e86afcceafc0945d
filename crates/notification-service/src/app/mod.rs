//! What is done with notifications: [`delivery`] mails each of them once, when somebody asks for it, or when the [`worker`]
//! comes to it.

pub mod delivery;
mod server;
mod under_way;
pub mod worker;
