//! Rules for text that people write: composed as NFC, and nothing in it that a reader cannot see.

use std::ops::RangeInclusive;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::{CodePointSetData, props::DefaultIgnorableCodePoint};

/// `text` in the composed form that Unicode calls NFC: what looks the same is the same.
pub fn composed(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    ComposingNormalizerBorrowed::new_nfc().normalize(text).into_owned()
}

/// One line: trims and composes `text`, and checks that it has a length within `chars` (counted in characters, not bytes)
/// and nothing invisible in it. The error is a phrase that follows the field's name.
pub fn parse(text: &str, chars: RangeInclusive<usize>) -> Result<String, String> {
    checked(text, chars, false)
}

/// The same for text that may have several lines, divided by `\n`.
pub fn parse_lines(text: &str, chars: RangeInclusive<usize>) -> Result<String, String> {
    checked(text, chars, true)
}

fn checked(text: &str, chars: RangeInclusive<usize>, may_have_lines: bool) -> Result<String, String> {
    let text = composed(text);
    if text.chars().any(|char| char.is_control() && !(may_have_lines && char == '\n')) {
        return Err("must not contain control characters".into());
    }
    if has_invisible(&text) {
        return Err("must not contain invisible characters".into());
    }
    let text = text.trim();
    if !chars.contains(&text.chars().count()) {
        return Err(format!("must be {} to {} characters long", chars.start(), chars.end()));
    }
    Ok(text.to_owned())
}

/// True if something in `text` shows nothing, or turns the direction of what follows.
fn has_invisible(text: &str) -> bool {
    if text.is_ascii() {
        return false;
    }
    let chars: Vec<char> = text.chars().collect();
    let visible_at = |index: Option<usize>| {
        index.and_then(|index| chars.get(index)).is_some_and(|char| !char.is_ascii() && !is_joiner(*char))
    };
    (0..chars.len()).any(|index| match chars[index] {
        // these shape the letters, or the pictures, beside them in scripts that need them
        '\u{200c}' | '\u{200d}' => {
            let before = index.checked_sub(1);
            let follows_variant = before.is_some_and(|before| is_variation(chars[before]));
            !(visible_at(before) || follows_variant) || !visible_at(Some(index + 1))
        }
        char if is_variation(char) => !visible_at(index.checked_sub(1)),
        char => is_invisible(char),
    })
}

fn is_joiner(char: char) -> bool {
    is_variation(char) || is_invisible(char)
}

/// Chooses between the two looks of the picture before it (VS15, VS16).
fn is_variation(char: char) -> bool {
    matches!(char, '\u{fe0e}' | '\u{fe0f}')
}

fn is_invisible(char: char) -> bool {
    match char {
        // line and paragraph separator, annotations, the blank of Braille, a note without a head
        '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}' | '\u{2800}' | '\u{1d159}' => true,
        // zero-width, directional, soft hyphen, fillers: whatever Unicode says may be left out when a text is shown
        char => CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(char),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_counts_characters_after_trimming_and_composing() {
        assert_eq!(parse("  Jürgen ", 1..=6).unwrap(), "Jürgen");
        assert_eq!(parse("Ju\u{308}rgen", 1..=6).unwrap(), "Jürgen");
        assert!(parse("   ", 1..=6).is_err());
        assert!(parse("Jürgens", 1..=6).is_err());
    }

    #[test]
    fn control_characters_are_refused_but_for_line_breaks_where_there_may_be_lines() {
        for bad in ["a\r\nb", "a\0b", "a\u{7f}b", "a\u{85}b", "\tab"] {
            assert!(parse(bad, 1..=10).is_err() && parse_lines(bad, 1..=10).is_err(), "{bad:?}");
        }
        assert!(parse("a\nb", 1..=10).is_err());
        assert_eq!(parse_lines("a\nb\n", 1..=10).unwrap(), "a\nb");
    }

    #[test]
    fn what_nobody_can_see_is_refused() {
        for bad in [
            "\u{3164}",
            "\u{200b}",
            "\u{2800}",
            "\u{ad}",
            "\u{115f}",
            "\u{ffa0}",
            "\u{feff}",
            "\u{200d}",
            "\u{fe0f}",
            "\u{2060}",
            "\u{e0041}",
            "\u{2028}",
            "\u{180e}",
            "\u{34f}",
            "\u{3000}",
            "\u{a0}",
            "a\u{202e}b",
            "a\u{2066}b",
            "a\u{200f}b",
            "a\u{61c}b",
            "An\u{200b}i",
            "An\u{200d}i",
            "An\u{fe0f}i",
            "A\u{ad}ni",
        ] {
            assert!(parse(bad, 1..=10).is_err() && parse_lines(bad, 1..=10).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn scripts_and_pictures_keep_what_shapes_them() {
        for good in ["علی‌رضا", "क्‍ष", "👨‍👩‍👧", "❤️ Ani", "🏳️‍🌈", "Øyvind", "李雷", "O’Brien"]
        {
            assert_eq!(parse(good, 1..=20).unwrap(), good);
        }
    }
}
