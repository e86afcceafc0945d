//! Why a transaction ended.

use schemars::JsonSchema;
use serde::Serialize;

use super::step::Failure;

/// Why a transaction ended, where somebody or something decided it.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    JsonSchema,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Reason {
    /// It was created with `auto_complete`.
    CompletedAtOnce,
    /// The sender completed it.
    CompletedBySender,
    /// A service completed it.
    CompletedByService,
    /// Somebody without a token completed it, in development.
    CompletedByAnyone,
    /// The sender cancelled it.
    CancelledBySender,
    /// A service cancelled it.
    CancelledByService,
    /// Somebody without a token cancelled it, in development.
    CancelledByAnyone,
    /// The sender let it fail.
    FailedBySender,
    /// A service let it fail.
    FailedByService,
    /// Somebody without a token let it fail, in development.
    FailedByAnyone,
    /// The receiver declined it.
    Declined,
    /// Nobody decided in time.
    Expired,
    /// Somebody cancelled what was left after a part was captured, or that part could not be paid.
    Cancelled,
    /// The money was to go back, and the receiver had it already.
    AlreadyCaptured,
}

mysql::stored_as_text!(Reason);

/// Why a transaction ended: a decision, or what kept it from being carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum StatusReason {
    /// Somebody or something decided it.
    Decided(Reason),
    /// It was refused.
    Refused(Failure),
}

impl StatusReason {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Decided(reason) => reason.into(),
            Self::Refused(failure) => failure.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use strum::VariantNames;

    use super::*;

    #[test]
    fn the_page_of_transactions_has_every_reason_and_no_other() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/transactions.md");
        let page = fs::read_to_string(page).unwrap();
        let section = page.split("## Why it ended").nth(1).unwrap().split("\n## ").next().unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let mut explained: Vec<&str> = rows.collect();
        let mut reasons = [Reason::VARIANTS, Failure::VARIANTS].concat();
        reasons.retain(|word| *word != "not_reached"); // nobody sees it
        explained.sort_unstable();
        reasons.sort_unstable();
        assert_eq!(explained, reasons);
    }
}
