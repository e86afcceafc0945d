//! libfaketime, by which a process sees another time than the rest of the machine.

use std::{fs, path::PathBuf};

use anyhow::Result;

use crate::{
    Progress,
    packages::{self, Packages},
};

const PACKAGES: Packages = Packages {
    what: "libfaketime, to set a clock wrong",
    debian: &["libfaketime"],
    fedora: "libfaketime",
    arch: "libfaketime",
    homebrew: "libfaketime",
};
/// The variant for programs with several threads.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// The library for `LD_PRELOAD`; installed where that needs no question.
pub fn library(progress: Progress<'_>) -> Result<PathBuf> {
    packages::find_or_install(find, &PACKAGES, progress)
}

fn find() -> Option<PathBuf> {
    let folders = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from);
    let within = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    folders.into_iter().chain(within).map(|folder| folder.join(LIBRARY)).find(|file| file.is_file())
}
