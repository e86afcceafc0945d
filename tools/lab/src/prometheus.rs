//! promtool, which knows whether Prometheus can do something with its configuration and its rules.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    Progress,
    packages::{self, Packages},
    system,
};

const PACKAGES: Packages = Packages {
    what: "promtool, which comes with Prometheus",
    debian: &["prometheus"],
    fedora: "golang-github-prometheus",
    arch: "prometheus",
    homebrew: "prometheus",
};

/// The path of its program.
pub fn promtool(progress: Progress<'_>) -> Result<PathBuf> {
    packages::find_or_install(|| system::find("promtool"), &PACKAGES, progress)
}
