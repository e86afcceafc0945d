//! The project's own source files, for checks that read them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::workspace_root;

/// Every Rust file in `folder` and below, sorted.
pub fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("{} must exist", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The codes of all errors, as the tables in the crates' `codes.rs` have them: status and name, sorted.
pub fn error_codes() -> Result<Vec<(u16, String)>> {
    let crates = workspace_root().join("crates");
    let mut codes = Vec::new();
    for file in rust_files(&crates)?.iter().filter(|file| file.ends_with("src/codes.rs")) {
        let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        codes.extend(text.lines().filter_map(|row| {
            let (status, rest) = row.trim().split_once(" \"")?;
            Some((status.parse().ok()?, rest.split_once('"')?.0.to_owned()))
        }));
    }
    codes.sort();
    Ok(codes)
}
