//! The only crate that knows several services. A [`World`] is the whole wallet: four processes on free ports, each with
//! a schema of its own, talking over real sockets.

pub mod bank;
pub mod crash;
pub mod document;
pub mod model;
pub mod planted;
mod proxy;
mod world;

pub use proxy::{Mode, Proxy};
pub use world::{PASSWORD, PRODUCTION_JWT_SECRET, PRODUCTION_TOKEN, User, World, own_routes, payment, transaction_of};
