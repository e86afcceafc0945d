//! The three callers.

use money::UserId;

use crate::{codes, error::Result};

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A user with a valid access token.
    User(UserId),
    /// Another service.
    Service,
    /// Nobody in particular; only in development.
    Anyone,
}

impl Caller {
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
            Self::Service | Self::Anyone => None,
        }
    }

    /// The caller's part of an idempotency scope.
    pub fn scope(self) -> String {
        match self {
            Self::User(id) => format!("user:{id}"),
            Self::Service => "service".into(),
            Self::Anyone => "anyone".into(),
        }
    }
}
