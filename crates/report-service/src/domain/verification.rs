//! The code by which anybody can tell that a statement is genuine.

use std::{convert::Infallible, fmt, str::FromStr};

use money::ids::Id;
use uuid::Uuid;

/// Digits of a code.
const DIGITS: usize = 20;
/// Digits between two hyphens, as a code is printed.
const GROUP: usize = 5;
/// Bits of a digit.
const BITS: usize = 5;
/// Crockford's base 32: no letter that is taken for a digit.
const ALPHABET: [u8; 32] = *b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// 100 random bits as 20 digits, `K7Q2M-9XA4T-0B3CD-ZZ81P` for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerificationCode(String);

impl VerificationCode {
    /// A new one.
    pub fn random() -> Self {
        // the six bits that say which kind of UUID it is are among the others: bits 48 to 51, and 64 and 65
        let bits = |uuid: Uuid| uuid.as_u128() & ((1 << 48) - 1);
        let random = bits(Uuid::new_v4()) | (bits(Uuid::new_v4()) << 48) | (bits(Uuid::new_v4()) << 96);
        let digit = |index: usize| {
            let value = (random >> (BITS * index)) % ALPHABET.len() as u128;
            char::from(ALPHABET[usize::try_from(value).unwrap_or_default()])
        };
        Self((0..DIGITS).map(digit).collect())
    }

    /// The digits, as they are stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VerificationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, digit) in self.0.chars().enumerate() {
            if index > 0 && index.is_multiple_of(GROUP) {
                f.write_str("-")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// What somebody has typed off a statement: `None` if it cannot be a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedCode(pub Option<VerificationCode>);

impl Id for TypedCode {
    const PARAMETER: &'static str = "code";
    const PATTERN: Option<&'static str> = Some("^.+$");
}

impl FromStr for TypedCode {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let digit = |char: char| match char.to_ascii_uppercase() {
            'O' => Some('0'),
            'I' | 'L' => Some('1'),
            digit => u8::try_from(digit).ok().filter(|digit| ALPHABET.contains(digit)).map(char::from),
        };
        let digits = text.chars().filter(|char| !matches!(char, '-' | ' ')).take(DIGITS + 1).map(digit);
        let digits: Option<String> = digits.collect();
        Ok(Self(digits.filter(|digits| digits.len() == DIGITS).map(VerificationCode)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = VerificationCode::random();
        assert_ne!(code, VerificationCode::random());
        let printed = code.to_string();
        assert_eq!(printed.len(), 23);
        for typed in [printed.clone(), printed.to_lowercase(), code.as_str().to_owned(), printed.replace('-', " ")] {
            assert_eq!(typed.parse::<TypedCode>().unwrap().0.as_ref(), Some(&code), "{typed}");
        }
        let misread = printed.replace('0', "o").replace('1', "l");
        assert_eq!(misread.parse(), Ok(TypedCode(Some(code))));
        for wrong in ["", "-", "x", &format!("{printed}0"), &"U".repeat(DIGITS), &"é".repeat(DIGITS)] {
            assert_eq!(wrong.parse(), Ok(TypedCode(None)), "{wrong}");
        }
    }

    #[test]
    fn every_digit_of_a_code_is_random() {
        let codes: Vec<_> = (0..1_000).map(|_| VerificationCode::random()).collect();
        for place in 0..DIGITS {
            let seen: std::collections::BTreeSet<u8> =
                codes.iter().map(|code| code.as_str().as_bytes()[place]).collect();
            assert_eq!(seen.len(), ALPHABET.len(), "place {place}");
        }
    }
}
