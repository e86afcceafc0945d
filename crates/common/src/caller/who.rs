//! The three callers.

use std::{fmt, str::FromStr};

use arrayvec::ArrayString;
use money::UserId;

use crate::{codes, error::Result};

/// The longest name of a service, in characters.
pub const MAX_SERVICE_NAME: usize = 32;

/// What a service calls itself, such as `transaction-service`: lower-case letters, digits and hyphens. It tells services apart
/// that share one token; it proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceName(ArrayString<MAX_SERVICE_NAME>);

/// A text that is no service's name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_SERVICE_NAME} lower-case letters, digits or hyphens")]
pub struct InvalidServiceName;

impl FromStr for ServiceName {
    type Err = InvalidServiceName;
    fn from_str(text: &str) -> std::result::Result<Self, InvalidServiceName> {
        let is_sane = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let name = ArrayString::from(text).ok().filter(|name| !name.is_empty() && name.bytes().all(is_sane));
        name.map(Self).ok_or(InvalidServiceName)
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A user with a valid access token.
    User(UserId),
    /// A service, by its name if it says so.
    Service(Option<ServiceName>),
    /// Nobody in particular; only in development.
    Anyone,
}

impl Caller {
    /// True if another service calls, whichever it is.
    pub fn is_service(self) -> bool {
        matches!(self, Self::Service(_))
    }

    /// 403 unless the caller is one of `users`, a service, or anyone in development.
    pub fn must_be_one_of(self, users: &[UserId]) -> Result<()> {
        match self {
            Self::User(id) if !users.contains(&id) => Err(codes::FORBIDDEN.into()),
            _ => Ok(()),
        }
    }

    /// The user to whom lists are limited; `None` for those who may see all.
    pub fn only_user(self) -> Option<UserId> {
        match self {
            Self::User(id) => Some(id),
            Self::Service(_) | Self::Anyone => None,
        }
    }
}

/// As logs name it, and as the caller's part of an idempotency scope: `user:7`, `service:shop`, `service`, `anyone`.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::Service(Some(name)) => write!(f, "service:{name}"),
            Self::Service(None) => f.write_str("service"),
            Self::Anyone => f.write_str("anyone"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_a_short_plain_name() {
        for name in ["shop", "transaction-service", "7", &"x".repeat(MAX_SERVICE_NAME)] {
            assert_eq!(name.parse::<ServiceName>().unwrap().to_string(), name);
        }
        for name in ["", "Shop", "a shop", "shop\n", "shop:1", "toko_bunga", "ülo", &"x".repeat(MAX_SERVICE_NAME + 1)]
        {
            assert_eq!(name.parse::<ServiceName>(), Err(InvalidServiceName), "{name:?}");
        }
    }

    #[test]
    fn callers_have_scopes_that_differ() {
        let user = Caller::User(7.try_into().unwrap());
        let named = |name: &str| Caller::Service(Some(name.parse().unwrap()));
        let scopes = [user, named("shop"), named("7"), Caller::Service(None), Caller::Anyone].map(|c| c.to_string());
        assert_eq!(scopes, ["user:7", "service:shop", "service:7", "service", "anyone"]);
    }
}
