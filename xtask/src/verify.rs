//! `verify`: the ledger proves itself.

use std::process::ExitCode;

use anyhow::Result;

use lab::{client::Client, environment, ui, verification};

use crate::state;

/// The exit code when there is nothing to ask.
const NOT_RUNNING: u8 = 2;

/// Checks the ledger of the running system.
pub async fn run() -> Result<ExitCode> {
    environment::load()?;
    match Client::new(state::endpoints()).verify().await {
        Ok(verification) => Ok(if verification::print(&verification) { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        Err(error) => {
            ui::error(&format!("the ledger could not be checked: {}", ui::with_causes(&error)));
            Ok(ExitCode::from(NOT_RUNNING))
        }
    }
}
