//! The programs of the Node.js world in `tools/node`: newman, which runs the Postman collection, `smtp-server`, which
//! speaks SMTP as real servers do, and playwright, which drives a browser.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{
    Progress,
    packages::{self, Packages},
    workspace_root,
};

/// The oldest major version of Node.js that the programs run on.
const MIN_NODE: u32 = 18;

const PACKAGES: Packages = Packages {
    what: "Node.js 18 or later, with npm",
    debian: &["nodejs", "npm"],
    fedora: "nodejs npm",
    arch: "nodejs npm",
    homebrew: "node",
};

/// The folder `tools/node`, with everything in its `package-lock.json` installed.
pub fn node_tools(progress: Progress<'_>) -> Result<PathBuf> {
    let npm = packages::find_or_install(find_npm, &PACKAGES, progress)?;
    let folder = workspace_root().join("tools/node");
    let wanted = fs::read_to_string(folder.join("package-lock.json"))
        .with_context(|| format!("{} has no package-lock.json: check it out again", folder.display()))?;
    let stamp = folder.join("node_modules/.installed");
    let is_current = || fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted);
    if is_current() {
        return Ok(folder);
    }
    // One installation at a time; whoever waited finds it done.
    let _lock = packages::lock(&lock_file()?)?;
    if !is_current() {
        progress("installing the Node.js tools (npm ci)");
        install(&npm, &folder)?;
        fs::write(&stamp, wanted)?;
    }
    Ok(folder)
}

/// The path of `node`.
pub fn node_program() -> Result<PathBuf> {
    packages::find("node").with_context(|| format!("{} is needed: run `cargo xtask test` once", PACKAGES.what))
}

fn find_npm() -> Option<PathBuf> {
    let output = Command::new(packages::find("node")?).arg("--version").stdin(Stdio::null()).output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    let major: u32 = version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()?;
    (major >= MIN_NODE).then(|| packages::find("npm")).flatten()
}

fn lock_file() -> Result<PathBuf> {
    let folder = workspace_root().join("target");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}: make it writable", folder.display()))?;
    Ok(folder.join("node-tools.lock"))
}

fn install(npm: &Path, folder: &Path) -> Result<()> {
    let output = Command::new(npm)
        .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .context("npm cannot be started")?;
    if !output.status.success() {
        bail!(
            "`npm ci` in tools/node failed:\n{}\nCheck the connection to the package registry, then try again.",
            packages::last_lines(&output)
        );
    }
    Ok(())
}
