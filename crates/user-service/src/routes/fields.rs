//! The fields of an account, checked as they are parsed.

use money::text;
use schemars::JsonSchema;
use serde::Deserialize;

/// The longest name, in characters.
const MAX_NAME: usize = 100;

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
