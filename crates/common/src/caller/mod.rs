//! Who calls. Three callers exist: a user (`Authorization: Bearer <JWT>`), a service (`X-Service-Token`) and anyone.
//!
//! A handler's signature says whom it lets in:
//! [`Service`] and [`Authenticated`] guard routes that are documented with a header, in every mode. [`Visitor`] guards
//! those documented without one: open in development, authenticated in production; [`Trusted`] is its like for what only
//! a service may do. [`Owner`] and [`Viewer`] are for routes whose path names the user that they are about.

pub mod account;
mod account_state;
pub mod address;
pub(crate) mod gatekeeper;
pub(crate) mod guard;
mod hmac;
mod identity;
pub mod revocation;
pub(crate) mod token;
mod who;

pub use account_state::AccountState;
pub use gatekeeper::Gatekeeper;
pub use guard::{
    ACCESS_TOKEN, Authenticated, METRICS_ACCESS, Monitor, Owner, SERVICE_ACCESS, Service, Trusted, Viewer, Visitor,
    security_schemes,
};
pub use hmac::use_hmac;
pub use identity::Identity;
pub use token::{Grant, MAX_TOKEN_SECONDS, Signer};
pub use who::{Caller, MAX_SERVICE_NAME, ServiceName};
