//! The programs in `tools/python`, which are installed by Python's means, whatever they are written in.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};

use crate::{
    Progress,
    packages::{self, Packages},
    system, workspace_root,
};

/// The oldest minor version of Python 3 that the programs run on.
const MIN_MINOR: u32 = 11;

const PACKAGES: Packages = Packages {
    what: "Python 3.11 or later, with venv",
    debian: &["python3", "python3-venv"],
    fedora: "python3",
    arch: "python",
    homebrew: "python",
};

/// The folder of the programs, installed with all that `tools/python/requirements.txt` names.
pub fn python_tools(progress: Progress<'_>) -> Result<PathBuf> {
    let python = packages::find_or_install(find_python, &PACKAGES, progress)?;
    let requirements = workspace_root().join("tools/python/requirements.txt");
    let wanted = fs::read_to_string(&requirements)
        .with_context(|| format!("there is no {}: check it out again", requirements.display()))?;
    let folder = workspace_root().join("target/python-tools");
    packages::install_once("python-tools", &folder.join(".installed"), &wanted, || {
        progress("installing the Python tools (pip install)");
        let what = "installing the Python tools";
        packages::fetch(Command::new(&python).args(["-m", "venv", "--clear"]).arg(&folder), what)?;
        let mut install = Command::new(folder.join("bin/python"));
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        packages::fetch(install.arg(&requirements), what)
    })?;
    Ok(folder.join("bin"))
}

fn find_python() -> Option<PathBuf> {
    let python = system::find("python3")?;
    // without ensurepip a virtual environment has no pip
    let version = "import sys, ensurepip; print(sys.version_info.minor)";
    let output = Command::new(&python).args(["-c", version]).stdin(Stdio::null()).output().ok()?;
    let minor: u32 = String::from_utf8(output.stdout).ok()?.trim().parse().ok()?;
    (minor >= MIN_MINOR).then_some(python)
}
