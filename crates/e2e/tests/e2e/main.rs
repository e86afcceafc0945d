//! The whole wallet over real sockets.

mod crashes;
mod flow;
mod instances;
mod notifications;
mod races;
