//! Proof that the harness bites: faults that people put into programs like this one, each as a patch that is applied to a
//! copy of the project, where the rest of the harness must find it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use lab::{cargo::cargo, workspace_root};
use tokio::{process::Command, time::timeout};

/// The longest that compiling a fault and finding it may take.
const LIMIT: Duration = Duration::from_mins(10);
/// A seed whose half minute has what each of them needs: late commits of user-service, and a clock that is fast for a while.
const SEED: &str = "186638";
/// What a copy of the project has.
const COPIED: [&str; 9] =
    ["Cargo.toml", "Cargo.lock", "clippy.toml", "rustfmt.toml", ".cargo", "crates", "xtask", "tools", "init-db.sql"];

/// A fault, and where it is to be found.
#[derive(Debug)]
pub struct Planted {
    /// The name of its patch in `tools/torture/planted`, which says what is wrong.
    pub name: &'static str,
    /// The arguments of `cargo xtask torture` with which it is found.
    arguments: &'static str,
    /// What is said then: which check failed.
    pub found_as: &'static str,
}

const fn planted(name: &'static str, arguments: &'static str, found_as: &'static str) -> Planted {
    Planted { name, arguments, found_as }
}

/// Every fault that is tried.
pub const ALL: &[Planted] = &[
    planted("no-unique-reference", "--only model --short", "was answered"),
    planted("no-fingerprint", "--only model --short", "was answered"),
    planted("capture-without-state-check", "--only model --short", "was answered"),
    planted("no-tombstone", "--only model --short", "was answered"),
    planted("answer-before-commit", "--only crashes --point ledger.before", "violation:"),
    planted("outbox-outside-the-transaction", "--only crashes --point ledger.after", "violation:"),
    planted("timeout-taken-as-failure", "--only crashes --point call.operations.after", "violation:"),
    planted("deadlock-swallowed", "--only bank --short", "violation: drift"),
    planted("write-without-lock", "--only bank --short", "violation: drift"),
    planted("commit-resolved-by-reading", "--only bank --short", "was refused and is applied"),
    planted("lease-on-own-clock", "--only bank --short", "violation: stuck"),
    planted("expiry-races-completion", "--only bank --short", "was told Completed"),
];

/// What came of the search for a fault.
#[derive(Debug)]
pub struct Search {
    /// The line that told of it.
    pub found: Option<String>,
    /// Everything that was said meanwhile.
    pub log: PathBuf,
}

/// Plants one fault in the copy and looks for it.
pub async fn search(fault: &Planted) -> Result<Search> {
    let folder = workspace_root().join("target/planted");
    let copy = folder.join("copy");
    for name in COPIED {
        synchronize(&workspace_root().join(name), &copy.join(name))?;
    }
    apply(&patch(fault), &copy).await?;
    let log = folder.join(format!("{}.log", fault.name));
    let file = fs::File::create(&log).with_context(|| log.display().to_string())?;
    let mut trial = Command::from(cargo());
    trial.args(["run", "--quiet", "--package", "torture", "--", "--seed", SEED]);
    trial.args(fault.arguments.split(' ')).current_dir(&copy).env("CARGO_TARGET_DIR", folder.join("target"));
    trial.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).kill_on_drop(true);
    let ended = timeout(LIMIT, trial.status()).await;
    let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let failed = ended.is_ok_and(|ended| ended.is_ok_and(|status| !status.success()));
    let line = said.lines().find(|line| line.contains(fault.found_as)).filter(|_| failed);
    Ok(Search { found: line.map(str::to_owned), log })
}

fn patch(fault: &Planted) -> PathBuf {
    workspace_root().join(format!("tools/torture/planted/{}.patch", fault.name))
}

async fn apply(patch: &Path, copy: &Path) -> Result<()> {
    let mut git = Command::new("git");
    // the copy stands in a folder of the project, and is not to be taken for a part of it
    git.arg("apply").arg(patch).current_dir(copy).env("GIT_CEILING_DIRECTORIES", copy.parent().unwrap_or(copy));
    let applied = git.output().await.context("git applies the patches: it must be installed")?;
    ensure!(applied.status.success(), "{}: {}", patch.display(), String::from_utf8_lossy(&applied.stderr));
    Ok(())
}

/// Makes `to` what `from` is. Files that are alike stay untouched, so that only what differs is compiled again.
fn synchronize(from: &Path, to: &Path) -> Result<()> {
    let failed = || format!("cannot copy {} to {}", from.display(), to.display());
    if !from.exists() {
        return Ok(());
    }
    if from.is_file() {
        let content = fs::read(from).with_context(failed)?;
        if fs::read(to).is_ok_and(|there| there == content) {
            return Ok(());
        }
        fs::create_dir_all(to.parent().context("a file stands in a folder")?).with_context(failed)?;
        return fs::write(to, content).with_context(failed);
    }
    fs::create_dir_all(to).with_context(failed)?;
    for entry in fs::read_dir(to).with_context(failed)? {
        let (name, there) = entry.map(|entry| (entry.file_name(), entry.path()))?;
        if from.join(name).exists() {
            continue;
        }
        let removed = if there.is_dir() { fs::remove_dir_all(&there) } else { fs::remove_file(&there) };
        removed.with_context(failed)?;
    }
    for entry in fs::read_dir(from).with_context(failed)? {
        let name = entry?.file_name();
        synchronize(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_patch_fits_the_code_and_is_tried() {
        let folder = workspace_root().join("tools/torture/planted");
        let mut patches: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        let mut tried: Vec<PathBuf> = ALL.iter().map(patch).collect();
        patches.sort();
        tried.sort();
        assert_eq!(patches, tried);
        for patch in patches {
            let check = Command::new("git")
                .args(["apply", "--check"])
                .arg(&patch)
                .current_dir(workspace_root())
                .output()
                .await
                .expect("git is installed");
            assert!(check.status.success(), "{}: {}", patch.display(), String::from_utf8_lossy(&check.stderr));
        }
    }
}
