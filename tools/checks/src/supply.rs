//! What is in `Cargo.lock`: where it comes from, under which licence, whether it is used, and what is known against it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use lab::{cargo::cargo, ui::Step, workspace_root};

/// A program that cargo installs.
struct Tool {
    name: &'static str,
    version: &'static str,
}

/// Sources, licences and bans of `deny.toml`, and advisories.
const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };
/// Dependencies that a crate names and does not use.
const MACHETE: Tool = Tool { name: "cargo-machete", version: "0.9.2" };

/// Runs all checks; advisories only where their database can be reached.
pub fn check() -> Result<()> {
    let (deny, machete) = (DENY.install()?, MACHETE.install()?);
    run(Command::new(&machete).arg("--skip-target-dir"))?;
    run(Command::new(&deny).args(["check", "bans", "licenses", "sources"]))?;
    let fetched = Command::new(&deny).args(["fetch", "db"]).current_dir(workspace_root()).stdin(Stdio::null()).output();
    let fetched = fetched.context("cargo-deny cannot be started")?;
    if fetched.status.success() {
        return run(Command::new(&deny).args(["check", "--disable-fetch", "advisories"]));
    }
    let why = String::from_utf8_lossy(&fetched.stderr).lines().last().unwrap_or_default().to_owned();
    eprintln!("- Advisories were not looked up: their database cannot be reached ({why})");
    Ok(())
}

impl Tool {
    /// Its program, installed in `target/cargo-tools` unless it is there.
    fn install(&self) -> Result<PathBuf> {
        let folder = workspace_root().join("target/cargo-tools").join(self.version);
        let program = folder.join("bin").join(self.name);
        if program.exists() {
            return Ok(program);
        }
        let step = Step::start(&format!("Installing {} {}", self.name, self.version));
        let output = cargo()
            .args(["install", self.name, "--version", self.version, "--locked", "--debug", "--quiet", "--root"])
            .arg(&folder)
            .env("CARGO_TARGET_DIR", workspace_root().join("target/cargo-tools/build"))
            .env("CARGO_PROFILE_DEV_DEBUG", "false")
            .stdin(Stdio::null())
            .output()
            .context("cargo cannot be started: is Rust's toolchain in the PATH?")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{} could not be installed:\n{said}", self.name);
        step.done(&format!("{} is installed", self.name));
        Ok(program)
    }
}

/// Runs a program that finds mistakes; fails if it finds one.
pub fn run(command: &mut Command) -> Result<()> {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().display().to_string();
    let status = command.current_dir(workspace_root()).stdin(Stdio::null()).status();
    ensure!(
        status.with_context(|| format!("{program} cannot be started"))?.success(),
        "{program} found something; see above"
    );
    Ok(())
}
