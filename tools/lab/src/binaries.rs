//! Building the services' programs.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::OnceLock,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{cargo::cargo, wallet::Service, workspace_root};

/// Which build of the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// Optimised.
    Release,
    /// Made quickly.
    Debug,
    /// Like `Debug`, but together with all tests: cargo then builds each dependency once for both, and has nothing left to
    /// do while or after `cargo test --workspace` runs.
    WithTests,
}

/// Builds the four services, showing what cargo says, and returns the folder of their programs.
pub fn build_services(build: Build) -> Result<PathBuf> {
    run_cargo(build, &workspace_root(), false)
}

/// Builds the four services of another copy of the sources, and returns the folder of their programs. They share it, and
/// what they depend on, with this copy: the next build takes their place.
pub fn build_services_of(source: &Path) -> Result<PathBuf> {
    run_cargo(Build::Debug, source, false)
}

/// The folder of the services' programs for tests: the debug build, brought up to date at the first call.
///
/// # Panics
/// If they do not compile; cargo's messages stand above.
pub fn binaries() -> &'static Path {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match FOLDER
        .get_or_init(|| run_cargo(Build::WithTests, &workspace_root(), true).map_err(|error| format!("{error:#}")))
    {
        Ok(folder) => folder,
        Err(error) => panic!("the services cannot be started: {error}"),
    }
}

fn run_cargo(build: Build, source: &Path, quiet: bool) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--message-format=json-render-diagnostics"]).current_dir(source);
    if build == Build::Release {
        command.arg("--release");
    }
    if build == Build::WithTests {
        command.args(["--workspace", "--lib", "--bins", "--tests"]);
    } else {
        for service in Service::ALL {
            command.args(["--package", service.name()]);
        }
    }
    if source != workspace_root() {
        command.arg("--target-dir").arg(workspace_root().join("target"));
    }
    if quiet {
        command.arg("--quiet");
    }
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be started: is Rust's toolchain in the PATH?")?;
    ensure!(output.status.success(), "the services do not compile; see cargo's messages above");
    let programs = executables(&String::from_utf8_lossy(&output.stdout));
    for service in Service::ALL {
        if !programs.iter().any(|program| program.file_name().is_some_and(|name| name == service.name())) {
            bail!("cargo built no program named {}: its crate needs a src/main.rs", service.name());
        }
    }
    let folder = programs.iter().find(|program| program.ends_with(Service::User.name())).and_then(|file| file.parent());
    Ok(folder.context("a program stands in a folder")?.to_owned())
}

/// The programs that a build made or found up to date.
fn executables(messages: &str) -> Vec<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["profile"]["test"] != true)
        .filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .collect()
}
