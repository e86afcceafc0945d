//! What this machine has: programs in the `PATH`, and whether this process may do everything.

use std::{env, path::PathBuf};

use rustix::process::getuid;

/// Where servers live that are not in everybody's `PATH`.
const MORE_FOLDERS: &[&str] = &["/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/opt/homebrew/bin", "/usr/local/bin"];

/// The path of a program, by its name.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(MORE_FOLDERS.iter().map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// True if this process may do everything.
pub fn is_root() -> bool {
    getuid().is_root()
}
