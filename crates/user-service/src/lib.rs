//! user-service: accounts, login and balances. It alone moves money: see [`app::ledger`].

pub mod app;
mod codes;
pub mod config;
pub mod domain;
mod router;
mod routes;
mod run;
mod state;
mod store;
mod workers;

pub use config::Config;
pub use money::Email;
pub use router::app;
pub use run::run;
pub use state::AppState;
pub use store::migrations::migrations;
pub use workers::start_workers;
