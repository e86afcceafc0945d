//! The programs of the Node.js world in `tools/node`: newman, which runs the Postman collection, `smtp-server`, which
//! speaks SMTP as real servers do, and playwright, which drives a browser.

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
    packages::install_once("node-tools", &folder.join("node_modules/.installed"), &wanted, || {
        progress("installing the Node.js tools (npm ci)");
        let mut install = Command::new(npm);
        install.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&folder);
        packages::fetch(&mut install, "`npm ci` in tools/node")
    })?;
    Ok(folder)
}

/// The path of `node`.
pub fn node_program() -> Result<PathBuf> {
    system::find("node").with_context(|| format!("{} is needed: run `cargo xtask test` once", PACKAGES.what))
}

fn find_npm() -> Option<PathBuf> {
    let output = Command::new(system::find("node")?).arg("--version").stdin(Stdio::null()).output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    let major: u32 = version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()?;
    (major >= MIN_NODE).then(|| system::find("npm")).flatten()
}
