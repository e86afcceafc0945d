//! HMAC (HS256 and its kind, RFC 7518) for the crate that reads and writes tokens: its own providers bring every other
//! algorithm along. Which of them a token may have is said where it is read.

use std::sync::Once;

use jsonwebtoken::{
    Algorithm,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result},
};
use ring::hmac;
use signature::{Error, Signer, Verifier};

struct Hmac(Algorithm, hmac::Key);

impl Hmac {
    fn new(algorithm: Algorithm, secret: &[u8]) -> Result<Self> {
        let hash = match algorithm {
            Algorithm::HS256 => hmac::HMAC_SHA256,
            Algorithm::HS384 => hmac::HMAC_SHA384,
            Algorithm::HS512 => hmac::HMAC_SHA512,
            _ => return Err(ErrorKind::InvalidAlgorithm.into()),
        };
        Ok(Self(algorithm, hmac::Key::new(hash, secret)))
    }
}

impl Signer<Vec<u8>> for Hmac {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        Ok(hmac::sign(&self.1, message).as_ref().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hmac {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        hmac::verify(&self.1, message, signature).map_err(|_| Error::new())
    }
}

impl JwtSigner for Hmac {
    fn algorithm(&self) -> Algorithm {
        self.0
    }
}

impl JwtVerifier for Hmac {
    fn algorithm(&self) -> Algorithm {
        self.0
    }
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(Hmac::new(*algorithm, key.as_bytes())?)),
    verifier_factory: |algorithm, key| Ok(Box::new(Hmac::new(*algorithm, key.try_get_as_bytes()?)?)),
    key_utils: KeyUtils::new_unimplemented(),
};

/// Lets tokens of this process be signed and read by HMAC, and by nothing else. A second call changes nothing.
///
/// # Panics
/// If the process has another provider already.
pub fn use_hmac() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| PROVIDER.install_default().expect("nobody else installs a provider"));
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{
        DecodingKey, EncodingKey,
        crypto::{sign, verify},
    };

    use super::*;

    #[test]
    fn it_signs_as_rfc_7515_shows_and_knows_no_other_algorithm() {
        use_hmac();
        // RFC 7515, A.1
        let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let message = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQog\
                       Imh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let bytes = decoded(secret);
        let (encoding, decoding) = (EncodingKey::from_secret(&bytes), DecodingKey::from_secret(&bytes));
        assert_eq!(sign(message.as_bytes(), &encoding, Algorithm::HS256).unwrap(), signature);
        assert!(verify(signature, message.as_bytes(), &decoding, Algorithm::HS256).unwrap());
        assert!(!verify(signature, b"another message", &decoding, Algorithm::HS256).unwrap());
        assert!(!verify(&signature[1..], message.as_bytes(), &decoding, Algorithm::HS256).unwrap_or(false));
        assert!(sign(b"", &encoding, Algorithm::RS256).is_err());
        assert!(sign(b"", &encoding, Algorithm::EdDSA).is_err());
    }

    /// Base64url without padding.
    fn decoded(text: &str) -> Vec<u8> {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
        for byte in text.bytes() {
            bits = bits << 6 | u32::try_from(ALPHABET.iter().position(|known| *known == byte).unwrap()).unwrap();
            count += 6;
            if count >= 8 {
                count -= 8;
                bytes.push(u8::try_from(bits >> count & 0xff).unwrap());
            }
        }
        bytes
    }
}
