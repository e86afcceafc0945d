//! The folder `.wallet/` and what is known about the system that runs there.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::PathBuf,
};

use anyhow::{Context, Result, bail};
use lab::{client::Endpoints, workspace_root};
use serde::{Deserialize, Serialize};

/// What other commands need to know about a running `up`.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    /// The process of `up`.
    pub pid: u32,
    /// Where the services are.
    pub endpoints: Endpoints,
    /// The processes that `up` started, each with a part of its command line.
    pub processes: Vec<(u32, String)>,
}

/// Held by the one `up` of this checkout.
pub struct Guard {
    // Gone before the lock is.
    file: PathBuf,
    _lock: File,
}

/// The folder of everything that `up` keeps.
pub fn folder() -> PathBuf {
    workspace_root().join(".wallet")
}

fn file() -> PathBuf {
    folder().join("state.json")
}

/// The services of the running `up`; else those on the documented ports.
pub fn endpoints() -> Endpoints {
    load().filter(|_| is_running()).map_or_else(Endpoints::documented, |state| state.endpoints)
}

/// What the last `up` wrote, whether it still runs or not.
pub fn load() -> Option<State> {
    serde_json::from_slice(&fs::read(file()).ok()?).ok()
}

/// True while an `up` of this checkout runs.
pub fn is_running() -> bool {
    // Opened for reading: looking must not make the folder.
    File::open(folder().join("lock")).is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

impl Guard {
    /// Becomes the one `up` of this checkout.
    pub fn take() -> Result<Self> {
        let folder = folder();
        let advice = || format!("cannot write to {}: make the folder writable", folder.display());
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).with_context(advice)?;
        let lock = File::options().create(true).append(true).open(folder.join("lock")).with_context(advice)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { file: file(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                let process = load().map_or_else(String::new, |state| format!(" (process {})", state.pid));
                bail!("`cargo xtask up` already runs in this checkout{process}. Stop it with: cargo xtask down")
            }
            Err(TryLockError::Error(error)) => Err(error).with_context(advice),
        }
    }

    /// Tells other commands where the system is.
    pub fn save(&self, state: &State) -> Result<()> {
        let write = || -> Result<()> {
            let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&self.file)?;
            Ok(file.write_all(&serde_json::to_vec_pretty(state)?)?)
        };
        write().with_context(|| format!("cannot write {}: make it writable", self.file.display()))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        fs::remove_file(&self.file).ok();
    }
}
