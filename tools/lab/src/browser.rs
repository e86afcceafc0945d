//! A browser: Chromium, without a window.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    Progress,
    packages::{self, Packages},
    system,
};

const PACKAGES: Packages = Packages {
    what: "Chromium",
    debian: &["chromium"],
    fedora: "chromium",
    arch: "chromium",
    homebrew: "--cask chromium",
};

/// Names under which it is installed.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The path of its program.
pub fn chromium(progress: Progress<'_>) -> Result<PathBuf> {
    packages::find_or_install(|| NAMES.into_iter().find_map(system::find), &PACKAGES, progress)
}
