//! The fields of an account, checked as they are parsed.

use money::text;
use schemars::JsonSchema;
use serde::Deserialize;

/// The longest name, in characters.
const MAX_NAME: usize = 100;

/// The longest reason, in characters.
const MAX_REASON: usize = 255;

/// A user's name: 1–100 characters.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, extend("minLength" = 1, "maxLength" = MAX_NAME))]
pub struct FullName(pub String);

impl TryFrom<String> for FullName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text::parse(&text, 1..=MAX_NAME).map(Self)
    }
}

/// Why something is done: 1–255 characters, in any number of lines.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, extend("minLength" = 1, "maxLength" = MAX_REASON))]
pub struct Reason(pub String);

impl TryFrom<String> for Reason {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text::parse_lines(&text, 1..=MAX_REASON).map(Self)
    }
}
