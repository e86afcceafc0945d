//! The variables by which commands are told what to do: those of the environment and, behind them, of the workspace's `.env`.

use std::env;

use anyhow::{Result, bail};

use crate::{wallet, workspace_root};

/// `SERVICE_TOKEN` of the environment or `.env`; else the documented one of development.
pub fn service_token() -> String {
    variable("SERVICE_TOKEN").unwrap_or_else(|| wallet::DEVELOPMENT_TOKEN.to_owned())
}

/// A variable that is set and not empty.
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Takes the variables in the `.env` of the workspace, behind those of the environment.
pub fn load() -> Result<()> {
    match env_file::read(&workspace_root().join(env_file::FILE)) {
        Ok(variables) => Ok(env_file::apply(&variables)?),
        Err(faults) => bail!(faults.join("\n")),
    }
}
