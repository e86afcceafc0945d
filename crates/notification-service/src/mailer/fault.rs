//! Why a mail was not taken.

/// What kept a mail from being taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The mail server cannot be reached, or takes no mail at the moment.
    Away,
    /// It takes no mail from us: our login, or the encryption that one of the two demands.
    Barred,
    /// It put this mail off.
    Deferred,
    /// It broke off, or took too long, before it had the mail: nobody knows whether for the mail's sake.
    Unclear,
    /// It has the mail, or a part of it, and never said whether it takes it: its recipient may get it.
    Unanswered,
    /// It refused the recipient for good: that is about nobody else.
    NoMailbox,
    /// It refused this mail for good.
    Refused,
    /// Its policy refused the mail for good, or us.
    Doubtful,
    /// There is nobody to send it to, or it cannot be written.
    Unsendable,
}

/// Why a mail was not taken.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct SendError {
    /// What it means.
    pub fault: Fault,
    /// A sentence about it, without an address.
    pub reason: String,
}

impl SendError {
    /// An error with a sentence about it.
    pub fn new(fault: Fault, reason: impl Into<String>) -> Self {
        Self { fault, reason: reason.into() }
    }
}
