//! E-mail addresses.

use std::borrow::Cow;

use email_address::{EmailAddress, Options};
use idna::{
    AsciiDenyList,
    uts46::{DnsLength, Hyphens, Uts46},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text;

/// The longest e-mail address (RFC 5321).
const MAX_EMAIL: usize = 254;

/// An e-mail address in its plain form, trimmed and in lower case, with its domain as ASCII (`xn--…`): one mailbox is one
/// address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, extend("format" = "email", "maxLength" = MAX_EMAIL))]
pub struct Email(pub String);

/// Words for what is no address.
const NO_EMAIL: &str = "must be a valid e-mail address of at most 254 characters";
/// Words for an address that is one, and in a form that only some mail servers take.
const NOT_PLAIN: &str = "must have only ASCII letters, digits and .!#$%&'*+/=?^_`{|}~- before its @";

impl TryFrom<String> for Email {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        let text = text::parse(&text, 1..=MAX_EMAIL).map_err(|_| NO_EMAIL)?;
        let (local, domain) = text.rsplit_once('@').ok_or(NO_EMAIL)?;
        if !local.bytes().all(|byte| byte.is_ascii_alphanumeric() || LOCAL_MARKS.contains(&byte)) {
            return Err(if local.contains('"') || !local.is_ascii() { NOT_PLAIN } else { NO_EMAIL });
        }
        let address = format!("{}@{}", local.to_ascii_lowercase(), ascii_domain(domain).ok_or(NO_EMAIL)?);
        let options = Options::default().with_required_tld().without_display_text().without_domain_literal();
        match EmailAddress::parse_with_options(&address, options) {
            Ok(_) if address.len() <= MAX_EMAIL => Ok(Self(address)),
            _ => Err(NO_EMAIL),
        }
    }
}

/// What may be before the @ beside letters and digits, unquoted (RFC 5322, `dot-atom`).
const LOCAL_MARKS: &[u8] = b".!#$%&'*+/=?^_`{|}~-";

/// A domain as the mail system writes it (RFC 5891); `None` if it is none.
fn ascii_domain(domain: &str) -> Option<String> {
    let ascii = Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Verify);
    ascii.ok().map(Cow::into_owned).filter(|ascii| !ascii.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_trimmed_and_lower_cased() {
        assert_eq!(Email::try_from(" John@Example.COM ".to_owned()).unwrap().0, "john@example.com");
    }

    #[test]
    fn one_mailbox_is_one_address() {
        for (written, stored) in [
            ("ana@bücher.example", "ana@xn--bcher-kva.example"),
            ("ana@BÜCHER.example", "ana@xn--bcher-kva.example"),
            ("ana@bu\u{308}cher.example", "ana@xn--bcher-kva.example"),
            ("ana@xn--bcher-kva.example", "ana@xn--bcher-kva.example"),
            ("ana@例え.テスト", "ana@xn--r8jz45g.xn--zckzah"),
            ("O'Brien+shop@example.com", "o'brien+shop@example.com"),
        ] {
            assert_eq!(Email::try_from(written.to_owned()).unwrap().0, stored, "{written}");
        }
        for quoted in
            [r#""john"@example.com"#, r#""jo\hn"@example.com"#, r#""a b"@example.com"#, r#""a@b"@example.com"#]
        {
            assert_eq!(Email::try_from(quoted.to_owned()), Err(NOT_PLAIN), "{quoted}");
        }
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
            "john@-example.com",
            "john@exa_mple.com",
            "john@example..com",
            "john@example.com.",
            ".john@example.com",
            "jo..hn@example.com",
            "john@ex\u{200b}ample\u{202e}.com\u{0}",
            "john@xn--a.com",
            "(john)@example.com",
            &long,
        ] {
            assert!(Email::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }
}
