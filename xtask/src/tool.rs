//! The programs in `tools/`, which cargo builds when they are asked for.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

use anyhow::{Context, Error, Result, ensure};
use clap::Args;
use lab::{cargo::cargo, workspace_root};

const NO_CARGO: &str = "cargo cannot be started: is Rust's toolchain in the PATH?";

/// What a program is told.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub struct Arguments {
    /// `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// A program in `tools/`.
pub struct Tool {
    name: &'static str,
    is_released: bool,
}

impl Tool {
    /// A debug build of it.
    pub fn new(name: &'static str) -> Self {
        Self { name, is_released: false }
    }

    /// An optimised build of it.
    pub fn released(name: &'static str) -> Self {
        Self { name, is_released: true }
    }

    /// Runs it in the place of this process. Returns only if it cannot be started.
    pub fn become_it(&self, arguments: &Arguments) -> Result<ExitCode> {
        if self.is_released {
            eprintln!("- Building `{}`; the first time this takes some minutes", self.name);
        }
        let mut command = self.command();
        command.args(&arguments.arguments);
        Err(Error::new(command.exec()).context(NO_CARGO))
    }

    /// Runs it with these arguments; fails if it does.
    pub fn run(&self, arguments: &[&str]) -> Result<()> {
        let status = self.command().args(arguments).status().context(NO_CARGO)?;
        ensure!(status.success(), "`{} {}` found something; see above", self.name, arguments.join(" "));
        Ok(())
    }

    fn command(&self) -> Command {
        let mut command = cargo();
        command.args(["run", "--quiet", "--package", self.name, "--manifest-path"]);
        command.arg(workspace_root().join("Cargo.toml"));
        if self.is_released {
            command.arg("--release");
        }
        command.arg("--");
        command
    }
}
