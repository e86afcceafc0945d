//! transaction-service: the state of every transfer. user-service moves the money: see [`app`].

mod app;
mod clients;
mod codes;
pub mod config;
mod domain;
mod router;
mod routes;
mod run;
mod state;
mod store;
mod workers;

pub use config::Config;
pub use router::app;
pub use run::run;
pub use state::AppState;
pub use workers::start_workers;
