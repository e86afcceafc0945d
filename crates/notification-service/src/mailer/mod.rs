//! Writes mails and hands them to the mail server, or to files when there is none.

mod conversation;
mod fault;
#[expect(clippy::module_inception, reason = "the mailer itself")]
mod mailer;
mod refusal;
mod subject;

pub use fault::{Fault, SendError};
pub use mailer::{Letter, Mailer};
