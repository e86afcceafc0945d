//! What makes a secret one.

/// Secrets that stand in the documentation: fine for development, refused in production, with whatever is added to them.
const PLACEHOLDERS: &[&str] = &[
    "service_shared_secret_change_this",
    "your_jwt_secret_key_change_this",
    "metrics_token_of_development",
    "wallet_development",
];
/// Database passwords that stand in the documentation and in `init-db.sql`.
const DEVELOPMENT_PASSWORDS: &[&str] = &["", "root", "wallet_development"];
/// The shortest secret that production accepts, in bytes: the key length of HS256.
const MIN_BYTES: usize = 32;
/// The fewest guesses that must be needed for a secret, as a power of ten: all that zxcvbn counts, 2^64 nearly.
const MIN_GUESSES_LOG10: f64 = 19.0;
/// The characters that are tried: what a secret has beyond does not make it weaker.
const TRIED: usize = 100;

/// What is expected of a secret whose characters are not those of one.
pub(super) const FORM: &str =
    "visible ASCII characters without blanks and line breaks, or it cannot travel in a header";
/// What is expected of a secret that somebody can guess.
pub(super) const STRENGTH: &str =
    "a secret of at least 32 bytes that nobody can guess: no documented placeholder, no words, no pattern";
/// An example of a good one.
pub(super) const EXAMPLE: &str = "$(openssl rand -hex 32)";

/// True if every header can carry it, and if it looks the same wherever it is copied to.
pub(super) fn has_form(secret: &str) -> bool {
    secret.bytes().all(|byte| byte.is_ascii_graphic())
}

/// True if it must be guessed for longer than anybody waits.
pub(super) fn is_strong(secret: &str) -> bool {
    if secret.len() < MIN_BYTES || has_placeholder(secret) {
        return false;
    }
    let guesses = |tried: &str| zxcvbn::zxcvbn(tried, PLACEHOLDERS).guesses_log10();
    let tried: String = secret.chars().take(TRIED).collect();
    // what stands between words is counted as if it were chosen at random
    guesses(&tried) >= MIN_GUESSES_LOG10 && guesses(&letters(&tried)) >= MIN_GUESSES_LOG10
}

/// True if a placeholder stands in it, however it is written, forwards or backwards.
fn has_placeholder(secret: &str) -> bool {
    let letters = letters(secret);
    let backwards: String = letters.chars().rev().collect();
    PLACEHOLDERS
        .iter()
        .map(|placeholder| self::letters(placeholder))
        .any(|known| letters.contains(&known) || backwards.contains(&known))
}

/// What is left of a text without capitals and what stands between words.
fn letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// True for a password of the database that stands in the documentation, also with other letters or blanks around it.
pub(super) fn is_of_development(password: &str) -> bool {
    DEVELOPMENT_PASSWORDS.contains(&&*password.trim().to_lowercase()) || has_placeholder(password)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_can_be_guessed_is_no_secret() {
        let repeated = |text: &str, times| text.repeat(times);
        for weak in [
            "",
            "short",
            "0123456789abcdef",
            "your_jwt_secret_key_change_this1",
            "YOUR_JWT_SECRET_KEY_CHANGE_THIS",
            "xx-Service_Shared_Secret_Change_This-2025",
            "service-shared-secret-change-this",
            "siht_egnahc_yek_terces_twj_ruoy!",
            "y0ur_jwt_s3cr3t_k3y_ch4ng3_th1s!",
            &repeated("a", 32),
            &repeated("a", 500),
            &repeated("ab", 16),
            &repeated("abc123", 8),
            &repeated("0123456789", 4),
            &repeated("password", 5),
            &repeated("secret", 6),
            &repeated("deadbeef", 4),
            &repeated("00", 32),
            "0123456789abcdef0123456789abcdef",
            "abcdefghijklmnopqrstuvwxyz012345",
            "qwertyuiopasdfghjklzxcvbnm123456",
            "1234567890123456789012345678901234567890",
            "changemechangemechangemechangeme",
            "this_is_my_production_secret_key_2025",
            "the-very-secret-token-of-my-service",
            "mysupersecretpasswordforproduction",
            "digitalwalletdigitalwalletdigital",
            "11111111111111112222222222222222",
        ] {
            assert!(!is_strong(weak), "{weak}");
        }
    }

    #[test]
    fn what_a_generator_makes_is_one() {
        use std::fmt::Write;
        for n in 0_u32..8 {
            let bytes: [u8; 32] = Sha256::digest(n.to_be_bytes()).into();
            let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
                write!(hex, "{byte:02x}").unwrap();
                hex
            });
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let base64: String = bytes.iter().map(|byte| char::from(alphabet[usize::from(byte & 63)])).collect();
            for strong in [&hex, &hex[..32], &hex.to_uppercase(), &base64, &format!("{base64}=")] {
                assert!(is_strong(strong) && has_form(strong), "{strong}");
            }
            let uuids = format!("{}{}", Uuid::new_v4(), Uuid::new_v4());
            assert!(is_strong(&uuids), "{uuids}");
        }
    }

    #[test]
    fn what_a_header_cannot_carry_has_not_the_form_of_a_secret() {
        for wrong in [" x", "x ", "x y", "x\n", "x\r", "\tx", "x\u{0}", "x\u{7f}", "schlüssel", "x\u{a0}"] {
            assert!(!has_form(wrong), "{wrong:?}");
        }
        assert!(has_form("aZ09!~\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}"));
    }

    #[test]
    fn the_documented_passwords_are_those_of_development_however_they_are_written() {
        for documented in
            ["", " ", "root", "ROOT\r", "wallet_development", "Wallet_Development1", "wallet_development "]
        {
            assert!(is_of_development(documented), "{documented:?}");
        }
        assert!(!is_of_development("horse battery") && !is_of_development("rooted"));
    }
}
