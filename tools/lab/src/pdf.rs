//! What a PDF shows, by poppler.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{
    Progress,
    packages::{self, Packages},
    system,
};

const PACKAGES: Packages = Packages {
    what: "poppler (pdftotext and pdftoppm)",
    debian: &["poppler-utils"],
    fedora: "poppler-utils",
    arch: "poppler",
    homebrew: "poppler",
};

fn program(name: &'static str, progress: Progress<'_>) -> Result<PathBuf> {
    packages::find_or_install(|| system::find(name), &PACKAGES, progress)
}

/// The text on the pages of a PDF, laid out as there; an error if there is any fault in it.
pub fn text(pdf: &[u8], progress: Progress<'_>) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("document.pdf");
    fs::write(&path, pdf)?;
    let output = Command::new(program("pdftotext", progress)?).arg("-layout").arg(&path).arg("-").output()?;
    let faults = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && faults.is_empty(), "pdftotext finds faults: {faults}");
    String::from_utf8(output.stdout).context("pdftotext writes UTF-8")
}

/// How dark each page of a PDF is, as a picture of 50 dots an inch: thousandths of its dots that are not white.
pub fn darkness(pdf: &[u8], progress: Progress<'_>) -> Result<Vec<usize>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("document.pdf");
    fs::write(&path, pdf)?;
    let mut render = Command::new(program("pdftoppm", progress)?);
    let output = render.args(["-r", "50", "-gray"]).arg(&path).arg(folder.path().join("page")).output()?;
    let faults = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && faults.is_empty(), "pdftoppm finds faults: {faults}");
    let mut pages: Vec<PathBuf> = fs::read_dir(folder.path())?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    pages.retain(|page| page != &path);
    pages.sort();
    let dark = |page: &PathBuf| {
        let dots = fs::read(page)?;
        Ok(dots.iter().filter(|dot| **dot < 250).count() * 1_000 / dots.len().max(1))
    };
    pages.iter().map(dark).collect()
}
