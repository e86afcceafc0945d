//! Rules for text that people write.

use std::ops::RangeInclusive;

/// Trims `text` and checks that it has a length within `chars` (counted in characters, not bytes) and no control
/// characters. The error is a phrase that follows the field's name.
pub fn parse(text: &str, chars: RangeInclusive<usize>) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err("must not contain control characters".into());
    }
    let text = text.trim();
    if !chars.contains(&text.chars().count()) {
        return Err(format!("must be {} to {} characters long", chars.start(), chars.end()));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_counts_characters_after_trimming() {
        assert_eq!(parse("  Jürgen ", 1..=6).unwrap(), "Jürgen");
        assert!(parse("   ", 1..=6).is_err());
        assert!(parse("Jürgens", 1..=6).is_err());
    }

    #[test]
    fn control_characters_are_refused() {
        for bad in ["a\r\nb", "a\0b", "a\u{7f}b", "a\u{85}b", "ab\n", "\tab"] {
            assert!(parse(bad, 1..=10).is_err(), "{bad:?}");
        }
    }
}
