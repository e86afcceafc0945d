//! Programs that must be installed: found, or installed where that needs no question, or asked for with the command.

use std::{
    env,
    fs::{self, File},
    path::Path,
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{Progress, system, workspace_root};

/// Lines of a failed installation that are shown.
const SHOWN_LINES: usize = 15;

/// What is needed, and what it is called on each kind of system.
pub(crate) struct Packages {
    /// What for, in words that follow "needed: ".
    pub what: &'static str,
    pub debian: &'static [&'static str],
    pub fedora: &'static str,
    pub arch: &'static str,
    pub homebrew: &'static str,
}

/// Looks for a program with `find`; installs the packages where that is possible without asking; looks again.
pub(crate) fn find_or_install<T>(
    find: impl Fn() -> Option<T>,
    packages: &Packages,
    progress: Progress<'_>,
) -> Result<T> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let Some(apt) = Apt::usable() else {
        bail!("{} is needed and was not found.\n{}", packages.what, packages.advice());
    };
    // One installation at a time; whoever waited finds it done.
    let _lock = lock(&env::temp_dir().join("wallet-install.lock"))?;
    if let Some(found) = find() {
        return Ok(found);
    }
    progress(&format!("installing {} (apt-get update)", packages.debian.join(" ")));
    apt.run(&["update", "-qq"], packages)?;
    progress(&format!("installing {} (apt-get install)", packages.debian.join(" ")));
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(packages.debian);
    apt.run(&arguments, packages)?;
    find().with_context(|| {
        format!("{} was installed but is still not found. Put its folder into PATH.", packages.debian.join(" "))
    })
}

/// Does `install` unless `stamp` tells that it was done for what is `wanted`: once, however many processes ask for it.
pub(crate) fn install_once(name: &str, stamp: &Path, wanted: &str, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let is_current = || fs::read_to_string(stamp).is_ok_and(|installed| installed == wanted);
    if is_current() {
        return Ok(());
    }
    let target = workspace_root().join("target");
    fs::create_dir_all(&target).with_context(|| format!("cannot make {}: make it writable", target.display()))?;
    // One installation at a time; whoever waited finds it done.
    let _lock = lock(&target.join(format!("{name}.lock")))?;
    if !is_current() {
        install()?;
        fs::write(stamp, wanted)?;
    }
    Ok(())
}

/// Runs a command that fetches packages; `what` says in an error what failed.
pub(crate) fn fetch(command: &mut Command, what: &str) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{program} cannot be started"))?;
    if !output.status.success() {
        bail!("{what} failed:\n{}\nCheck the connection to the package registry, then try again.", last_lines(&output));
    }
    Ok(())
}

/// Takes a lock between processes; it is held until the file is dropped.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let advice = || format!("cannot lock {}: delete it, or make it writable for this user", path.display());
    let file = File::options().create(true).append(true).open(path).with_context(advice)?;
    file.lock().with_context(advice)?;
    Ok(file)
}

impl Packages {
    fn advice(&self) -> String {
        let debian = format!("sudo apt-get install --no-install-recommends {}", self.debian.join(" "));
        let fedora = format!("sudo dnf install {}", self.fedora);
        let arch = format!("sudo pacman -S {}", self.arch);
        let homebrew = format!("brew install {}", self.homebrew);
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let is = |name: &str| release.lines().any(|line| line.starts_with("ID") && line.contains(name));
        let command = if cfg!(target_os = "macos") {
            homebrew
        } else if is("debian") || is("ubuntu") {
            debian
        } else if is("fedora") || is("rhel") {
            fedora
        } else if is("arch") {
            arch
        } else {
            return format!(
                "Install it:\n  Debian, Ubuntu:  {debian}\n  Fedora:          {fedora}\n  Arch:            {arch}\n  \
                 macOS:           {homebrew}"
            );
        };
        format!("Install it with:  {command}")
    }
}

/// Debian's package manager, when it may be used without a question.
struct Apt {
    through_sudo: bool,
}

impl Apt {
    fn usable() -> Option<Self> {
        system::find("apt-get")?;
        if system::is_root() {
            return Some(Self { through_sudo: false });
        }
        let quiet = Command::new("sudo")
            .args(["-n", "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        quiet.is_ok_and(|status| status.success()).then_some(Self { through_sudo: true })
    }

    fn run(&self, arguments: &[&str], packages: &Packages) -> Result<()> {
        let mut command = if self.through_sudo {
            let mut sudo = Command::new("sudo");
            sudo.args(["-n", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
            sudo
        } else {
            Command::new("apt-get")
        };
        command.env("DEBIAN_FRONTEND", "noninteractive").args(["-o", "DPkg::Lock::Timeout=120"]).args(arguments);
        let output = command.stdin(Stdio::null()).output().context("apt-get cannot be started")?;
        if !output.status.success() {
            bail!(
                "installing {} failed:\n{}\nInstall it by hand, then try again. {}",
                packages.what,
                last_lines(&output),
                packages.advice()
            );
        }
        Ok(())
    }
}

/// The last lines that a program wrote.
pub(crate) fn last_lines(output: &Output) -> String {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}
