//! The fields of an account, checked as they are parsed.

use email_address::{EmailAddress, Options};
use schemars::JsonSchema;
use serde::Deserialize;

/// The longest e-mail address (RFC 5321).
const MAX_EMAIL: usize = 254;
/// The longest name, in characters.
const MAX_NAME: usize = 100;

/// A user's name: 1–100 characters.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, extend("minLength" = 1, "maxLength" = MAX_NAME))]
pub struct FullName(pub String);

/// An e-mail address, trimmed and in lower case.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, extend("format" = "email", "maxLength" = MAX_EMAIL))]
pub struct Email(pub String);

impl TryFrom<String> for FullName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        common::text::parse(&text, 1..=MAX_NAME).map(Self)
    }
}

impl TryFrom<String> for Email {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        let plain = text.is_ascii() && !text.bytes().any(|b| b.is_ascii_control());
        let text = text.trim().to_ascii_lowercase();
        let options = Options::default().with_required_tld().without_display_text().without_domain_literal();
        match EmailAddress::parse_with_options(&text, options) {
            Ok(address) if plain && text.len() <= MAX_EMAIL => Ok(Self(address.to_string())),
            _ => Err("must be a valid e-mail address of at most 254 characters"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_trimmed_and_lower_cased() {
        assert_eq!(Email::try_from(" John@Example.COM ".to_owned()).unwrap().0, "john@example.com");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(250));
        for bad in [
            "",
            "john",
            "john@",
            "@example.com",
            "a b@example.com",
            "j@example",
            "john@example.com\r\nBcc: x@y.zz",
            "John <john@example.com>",
            "j\u{f6}hn@example.com",
            &long,
        ] {
            assert!(Email::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }
}
