//! What became of a target.

use serde::Serialize;

/// A target, and whether it is reached.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// What is measured.
    pub figure: &'static str,
    /// What it must be.
    pub target: String,
    /// What it is; `None` if it was not measured.
    pub measured: Option<f64>,
    /// Whether that is enough.
    pub reached: Option<bool>,
}
