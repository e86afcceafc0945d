//! Who the headers of a request say that its sender is. A request is read for that once, when it arrives; limits, guards and
//! logs ask what came of it.

use money::{UserId, time};

use super::{
    token::Grant,
    who::{Caller, ServiceName},
};
use crate::{code::Code, codes};

/// What the headers of a request show, if it is right.
#[derive(Debug, Clone, Copy)]
pub(super) enum Credential {
    /// An access token that was signed here; it may have ended.
    User(Grant),
    /// The services' token.
    Service(Option<ServiceName>),
    /// None.
    Nothing,
}

/// Who a request says that it comes from, before anybody has looked at the account.
#[derive(Debug, Clone, Copy)]
pub struct Identity(pub(super) Result<Credential, Code>);

impl Identity {
    /// The caller, by the clock of this instance; the code of what is wrong with its credential.
    pub fn caller(self) -> Result<Caller, Code> {
        match self.0? {
            Credential::Nothing => Ok(Caller::Anyone),
            Credential::Service(name) => Ok(Caller::Service(name)),
            Credential::User(grant) if grant.has_expired(time::now()) => Err(codes::TOKEN_EXPIRED),
            Credential::User(grant) => Ok(Caller::User(grant.user)),
        }
    }

    /// True for a service.
    pub fn is_service(self) -> bool {
        matches!(self.0, Ok(Credential::Service(_)))
    }

    /// The user that the request counts for.
    pub fn user(self) -> Option<UserId> {
        self.caller().ok()?.only_user()
    }
}
