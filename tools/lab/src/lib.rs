//! What runs the wallet on one machine: a private database server, a schema for each test, the four services as
//! processes, the gateway before them, the programs that tests use, and what a query costs. Used by `cargo xtask` and by the tests; no
//! service depends on it outside its tests.
//!
//! Everything that is started here dies with the process that started it, even if that one is killed, on systems that
//! have `setpriv` (every Linux with util-linux); elsewhere it is stopped by `Drop`.

use std::path::{Path, PathBuf};

#[cfg(feature = "tests")]
pub mod accounts;
pub mod admin;
pub mod binaries;
pub mod browser;
pub mod cargo;
pub mod client;
pub mod clients;
#[cfg(feature = "tests")]
pub mod collector;
pub mod database;
#[cfg(feature = "tests")]
pub mod document;
pub mod environment;
pub mod faketime;
#[cfg(feature = "tests")]
pub mod gateway;
#[cfg(feature = "tests")]
pub mod http;
pub mod http_client;
pub mod node;
mod packages;
pub mod pdf;
#[cfg(feature = "tests")]
pub mod plan;
pub mod ports;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod python;
pub mod server;
#[cfg(feature = "tests")]
pub mod smtp;
pub mod sources;
pub mod system;
pub mod ui;
pub mod verification;
pub mod wallet;
#[cfg(feature = "tests")]
pub mod world;

/// Is told, in a few words, what a long step is doing.
pub type Progress<'a> = &'a (dyn Fn(&str) + Sync);

/// The folder of the workspace's `Cargo.toml`.
pub fn workspace_root() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.ancestors().nth(2).expect("the crate stands two folders below the workspace").to_owned()
}
