//! The programs of the Python world in `tools/python`: schemathesis, which tries what an OpenAPI document promises.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use crate::{
    Progress,
    packages::{self, Packages},
    workspace_root,
};

/// The oldest minor version of Python 3 that the programs run on.
const MIN_MINOR: u32 = 10;

const PACKAGES: Packages = Packages {
    what: "Python 3.10 or later, with venv",
    debian: &["python3", "python3-venv"],
    fedora: "python3",
    arch: "python",
    homebrew: "python",
};

/// The path of `schemathesis`, installed with all that `tools/python/requirements.txt` names.
pub fn schemathesis(progress: Progress<'_>) -> Result<PathBuf> {
    let python = packages::find_or_install(find_python, &PACKAGES, progress)?;
    let requirements = workspace_root().join("tools/python/requirements.txt");
    let wanted = fs::read_to_string(&requirements)
        .with_context(|| format!("there is no {}: check it out again", requirements.display()))?;
    let folder = workspace_root().join("target/python-tools");
    let (program, stamp) = (folder.join("bin/schemathesis"), folder.join(".installed"));
    let is_current = || fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted);
    if is_current() {
        return Ok(program);
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}: make it writable", folder.display()))?;
    // One installation at a time; whoever waited finds it done.
    let _lock = packages::lock(&workspace_root().join("target/python-tools.lock"))?;
    if !is_current() {
        progress("installing the Python tools (pip install)");
        run(Command::new(&python).args(["-m", "venv", "--clear"]).arg(&folder))?;
        let mut install = Command::new(folder.join("bin/python"));
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        run(install.arg(&requirements))?;
        fs::write(&stamp, wanted)?;
    }
    Ok(program)
}

fn find_python() -> Option<PathBuf> {
    let python = packages::find("python3")?;
    // without ensurepip a virtual environment has no pip
    let version = "import sys, ensurepip; print(sys.version_info.minor)";
    let output = Command::new(&python).args(["-c", version]).stdin(Stdio::null()).output().ok()?;
    let minor: u32 = String::from_utf8(output.stdout).ok()?.trim().parse().ok()?;
    (minor >= MIN_MINOR).then_some(python)
}

fn run(command: &mut Command) -> Result<()> {
    let program = Path::new(command.get_program()).display().to_string();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{program} cannot be started"))?;
    let shown = packages::last_lines(&output);
    ensure!(
        output.status.success(),
        "installing the Python tools failed:\n{shown}\nCheck the connection to the package index, then try again."
    );
    Ok(())
}
