//! Access tokens (JWT, RFC 7519, HS256): what one says, and how it is signed and read.

use std::{
    iter,
    sync::{Arc, PoisonError, RwLock},
};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use money::UserId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::hmac::use_hmac;
use crate::{
    code::Code,
    codes,
    config::ServiceConfig,
    error::{ApiError, Result},
    recent::Recent,
};

/// The `iss` claim of every access token.
const ISSUER: &str = "digital-wallet";
/// By how much clocks may differ when a token expires.
const LEEWAY: TimeDelta = TimeDelta::seconds(2);
/// The longest that a token may be valid, in seconds: the highest `JWT_EXPIRATION`. One that claims more is refused, so that
/// nobody has to remember for longer which tokens have ended.
pub const MAX_TOKEN_SECONDS: i64 = 365 * 24 * 60 * 60;

/// To whom a token is given, and of which moment it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The user who may act with it.
    pub user: UserId,
    /// The key of the user's account: see [`crate::caller::account`].
    pub key: i64,
    /// The version of the user's tokens: see [`crate::caller::revocation`].
    pub version: i32,
    /// When it was given, on the clock of user-service's database, by which revocations are dated too.
    pub issued_at: DateTime<Utc>,
    /// When it ends, on the same clock.
    pub expires_at: DateTime<Utc>,
}

impl Grant {
    /// What a token says that is given at `issued_at` for so many seconds.
    #[must_use]
    pub fn of(user: UserId, key: i64, version: i32, issued_at: DateTime<Utc>, seconds: i64) -> Self {
        Self { user, key, version, issued_at, expires_at: issued_at + TimeDelta::seconds(seconds) }
    }

    /// True if it has expired at `now`.
    pub(super) fn has_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at + LEEWAY < now
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    iss: String,
    iat: i64,
    exp: i64,
    #[serde(default)]
    ver: i32,
    #[serde(default, skip_serializing_if = "is_no_key")]
    key: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_no_key(key: &i64) -> bool {
    *key == 0
}

/// Signs access tokens. Cheap to clone.
#[derive(Clone)]
pub struct Signer(Arc<EncodingKey>);

impl Signer {
    /// A signer with the service's secret.
    pub fn new(config: &ServiceConfig) -> Self {
        use_hmac();
        Self(Arc::new(EncodingKey::from_secret(config.jwt_secret.expose_secret().as_bytes())))
    }

    /// An access token, valid for [`MAX_TOKEN_SECONDS`] at most.
    pub fn sign(&self, grant: &Grant) -> Result<String> {
        let claims = Claims {
            sub: grant.user.to_string(),
            iss: ISSUER.into(),
            iat: grant.issued_at.timestamp(),
            exp: grant.expires_at.timestamp(),
            ver: grant.version,
            key: grant.key,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.0).map_err(ApiError::internal)
    }
}

/// Tokens that one instance knows to be signed by us, some 400 bytes each.
const MAX_KNOWN: usize = 16_384;

/// Reads access tokens.
pub(super) struct Verifier {
    /// Any of them proves a user.
    keys: Vec<DecodingKey>,
    validation: Validation,
    /// What tokens say whose signature was found right: proving it again with each request would prove nothing new.
    known: RwLock<Recent<Box<str>, Grant>>,
}

impl Verifier {
    pub(super) fn new(config: &ServiceConfig) -> Self {
        use_hmac();
        let key = |secret: &SecretString| DecodingKey::from_secret(secret.expose_secret().as_bytes());
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false; // by the clock that set it: see Gatekeeper::admit
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        let keys = iter::once(&config.jwt_secret).chain(&config.jwt_secret_also).map(key).collect();
        Self { keys, validation, known: RwLock::new(Recent::new(MAX_KNOWN)) }
    }

    /// What `token` says, if it was signed here; whether it has expired is another question.
    pub(super) fn read(&self, token: &str) -> std::result::Result<Grant, Code> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(token).copied();
        if let Some(grant) = known {
            return Ok(grant);
        }
        let grant = self.verify(token)?;
        self.known.write().unwrap_or_else(PoisonError::into_inner).set(token.into(), grant);
        Ok(grant)
    }

    fn verify(&self, token: &str) -> std::result::Result<Grant, Code> {
        let invalid = codes::INVALID_TOKEN;
        let claims = self.claims(token).map_err(|_| invalid)?;
        if claims.exp.saturating_sub(claims.iat) > MAX_TOKEN_SECONDS {
            return Err(invalid);
        }
        let user = claims.sub.parse().map_err(|_| invalid)?;
        let moment = |seconds| DateTime::from_timestamp(seconds, 0).ok_or(invalid);
        let (issued_at, expires_at) = (moment(claims.iat)?, moment(claims.exp)?);
        Ok(Grant { user, key: claims.key, version: claims.ver, issued_at, expires_at })
    }

    fn claims(&self, token: &str) -> std::result::Result<Claims, ErrorKind> {
        let mut refused = ErrorKind::InvalidSignature;
        for key in &self.keys {
            match jsonwebtoken::decode::<Claims>(token, key, &self.validation) {
                Ok(token) => return Ok(token.claims),
                Err(error) => refused = error.into_kind(),
            }
            if refused != ErrorKind::InvalidSignature {
                break;
            }
        }
        Err(refused)
    }
}

/// How much later than `issued_at` something must be read to be newer than the token for certain. The claim counts whole
/// seconds, and between the moment that a statement is dated and the one at which it reads some time may pass.
pub(super) const CERTAINLY_LATER: TimeDelta = TimeDelta::seconds(5);
