//! `torture`: becomes the program in `crates/e2e` that tries to make the wallet lose money.

use std::{
    env,
    ffi::OsString,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

use anyhow::{Error, Result};
use clap::Args;
use harness::workspace_root;

#[derive(Args)]
#[command(disable_help_flag = true)]
pub struct Arguments {
    /// `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Returns only if the program cannot be started. A debug build: release builds have no failpoints.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--package", "e2e", "--bin", "torture", "--manifest-path"]);
    command.arg(workspace_root().join("Cargo.toml")).arg("--").args(&arguments.arguments);
    Err(Error::new(command.exec()).context("cargo cannot be started: is Rust's toolchain in the PATH?"))
}
