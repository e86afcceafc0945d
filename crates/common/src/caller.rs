//! Who calls. Three callers exist: a user (`Authorization: Bearer <JWT>`), a service (`X-Service-Token`) and anyone.
//!
//! A handler's signature says whom it lets in:
//! [`Service`] and [`Authenticated`] guard routes that are documented with a header, in every mode. [`Visitor`] guards
//! those documented without one: open in development, authenticated in production; [`Trusted`] is its like for what only
//! a service may do. [`Owner`] and [`Viewer`] are for routes whose path names the user that they are about.

mod guards;

use std::{iter, sync::Arc};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use subtle::{Choice, ConstantTimeEq};

use crate::{
    ApiError, Code, Result, UserId,
    config::{HttpConfig, Mode, ServiceConfig},
    revocation::Revocations,
};

pub use guards::{
    ACCESS_TOKEN, Authenticated, METRICS_ACCESS, Monitor, Owner, SERVICE_ACCESS, Service, Trusted, Viewer, Visitor,
    security_schemes,
};

/// Carries the shared secret of the services.
pub const SERVICE_TOKEN: HeaderName = HeaderName::from_static("x-service-token");
/// The `iss` claim of every access token.
const ISSUER: &str = "digital-wallet";
/// Seconds by which clocks may differ when a token expires.
const LEEWAY_SECONDS: u64 = 2;

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A user with a valid access token.
    User(UserId),
    /// Another service.
    Service,
    /// Nobody in particular; only in development.
    Anyone,
}

impl Caller {
    /// 403 unless the caller is one of `users`, a service, or anyone in development.
    pub fn must_be_one_of(self, users: &[UserId]) -> Result<()> {
        match self {
            Self::User(id) if !users.contains(&id) => Err(Code::Forbidden.into()),
            _ => Ok(()),
        }
    }

    /// The user to whom lists are limited; `None` for those who may see all.
    pub fn only_user(self) -> Option<UserId> {
        match self {
            Self::User(id) => Some(id),
            Self::Service | Self::Anyone => None,
        }
    }

    /// The caller's part of an idempotency scope.
    pub fn scope(self) -> String {
        match self {
            Self::User(id) => format!("user:{id}"),
            Self::Service => "service".into(),
            Self::Anyone => "anyone".into(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    iss: String,
    iat: i64,
    exp: i64,
    /// The version of the user's tokens: see [`crate::revocation`].
    #[serde(default)]
    ver: i32,
}

/// Knows the secrets by which callers prove who they are. Cheap to clone; part of every service's state.
#[derive(Clone)]
pub struct Gatekeeper(Arc<Secrets>);

struct Secrets {
    mode: Mode,
    /// Any of them proves a service.
    service_tokens: Vec<SecretString>,
    metrics_token: Option<SecretString>,
    encoding: EncodingKey,
    /// Any of them proves a user.
    decoding: Vec<DecodingKey>,
    validation: Validation,
    revocations: Revocations,
    http: HttpConfig,
}

impl Gatekeeper {
    /// A gatekeeper with the service's secrets.
    pub fn new(config: &ServiceConfig) -> Self {
        let key = |secret: &SecretString| DecodingKey::from_secret(secret.expose_secret().as_bytes());
        let also = |secret: &Option<SecretString>| secret.clone().into_iter();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY_SECONDS;
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        Self(Arc::new(Secrets {
            mode: config.mode,
            service_tokens: iter::once(config.service_token.clone()).chain(also(&config.service_token_also)).collect(),
            metrics_token: config.metrics_token.clone(),
            encoding: EncodingKey::from_secret(config.jwt_secret.expose_secret().as_bytes()),
            decoding: iter::once(&config.jwt_secret).chain(&config.jwt_secret_also).map(key).collect(),
            validation,
            revocations: Revocations::default(),
            http: config.http.clone(),
        }))
    }

    /// The revocations that this gatekeeper heeds, for the worker that keeps them up to date.
    pub fn revocations(&self) -> &Revocations {
        &self.0.revocations
    }

    /// Whether the routes that are documented without a header are open.
    pub fn mode(&self) -> Mode {
        self.0.mode
    }

    /// What surrounds the routes.
    pub fn http(&self) -> &HttpConfig {
        &self.0.http
    }

    /// An access token (JWT, RFC 7519, HS256) of `version` for `user`, valid from `now` for `seconds`.
    pub fn issue(&self, user: UserId, version: i32, now: DateTime<Utc>, seconds: i64) -> Result<String> {
        let iat = now.timestamp();
        let claims = Claims { sub: user.to_string(), iss: ISSUER.into(), iat, exp: iat + seconds, ver: version };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.0.encoding).map_err(ApiError::internal)
    }

    /// The caller that the headers prove. A credential that is shown must be right, even where none is needed.
    pub fn identify(&self, headers: &HeaderMap) -> Result<Caller> {
        if let Some(token) = headers.get(SERVICE_TOKEN) {
            let is = |expected: &SecretString| token.as_bytes().ct_eq(expected.expose_secret().as_bytes());
            // all of them are compared, so that the time does not tell which one it is
            let known = self.0.service_tokens.iter().map(is).fold(Choice::from(0), |any, one| any | one);
            return if bool::from(known) { Ok(Caller::Service) } else { Err(Code::InvalidServiceToken.into()) };
        }
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(Caller::Anyone) };
        let invalid = || ApiError::new(Code::InvalidToken);
        let claims = self.claims(bearer(value).ok_or_else(invalid)?).map_err(|error| match error {
            ErrorKind::ExpiredSignature => ApiError::new(Code::TokenExpired),
            _ => invalid(),
        })?;
        let user = claims.sub.parse().map_err(|_| invalid())?;
        if self.0.revocations.are_awaited() {
            return Err(Code::ServiceUnavailable.into());
        }
        if self.0.revocations.have_ended(user, claims.ver) {
            return Err(Code::TokenRevoked.into());
        }
        Ok(Caller::User(user))
    }

    /// Whether the headers show the token for the metrics.
    fn is_monitor(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(header::AUTHORIZATION).and_then(bearer).unwrap_or_default();
        let expected = self.0.metrics_token.as_ref();
        expected.is_some_and(|expected| shown.as_bytes().ct_eq(expected.expose_secret().as_bytes()).into())
    }

    fn claims(&self, token: &str) -> std::result::Result<Claims, ErrorKind> {
        let mut refused = ErrorKind::InvalidSignature;
        for key in &self.0.decoding {
            match jsonwebtoken::decode::<Claims>(token, key, &self.0.validation) {
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

/// The token of an `Authorization: Bearer …` (RFC 6750).
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Env, time};

    fn gatekeeper(variables: &'static [(&str, &str)]) -> Gatekeeper {
        let mut env = Env::new(move |name| match name {
            "APP_ENV" => Some("development".to_owned()),
            _ => variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()),
        });
        Gatekeeper::new(&env.service(5001, "digital_wallet", "user_service"))
    }

    fn caller(gatekeeper: &Gatekeeper, name: HeaderName, value: &str) -> Result<Caller> {
        gatekeeper.identify(&HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())]))
    }

    #[test]
    fn two_service_tokens_are_accepted_so_that_one_can_be_replaced() {
        let both = gatekeeper(&[("SERVICE_TOKEN", "new"), ("SERVICE_TOKEN_ALSO", "old")]);
        for token in ["new", "old"] {
            assert_eq!(caller(&both, SERVICE_TOKEN, token).unwrap(), Caller::Service);
        }
        for token in ["", "newold", "ol", "service_shared_secret_change_this"] {
            assert!(caller(&both, SERVICE_TOKEN, token).is_err(), "{token:?}");
        }
    }

    #[test]
    fn two_secrets_for_access_tokens_are_accepted_so_that_one_can_be_replaced() {
        let user = UserId::try_from(7).unwrap();
        let signed = |by: &Gatekeeper| format!("Bearer {}", by.issue(user, 0, time::now(), 60).unwrap());
        let (old, new) = (gatekeeper(&[("JWT_SECRET", "old")]), gatekeeper(&[("JWT_SECRET", "new")]));
        let both = gatekeeper(&[("JWT_SECRET", "new"), ("JWT_SECRET_ALSO", "old")]);
        for token in [signed(&old), signed(&new), signed(&both)] {
            assert_eq!(caller(&both, header::AUTHORIZATION, &token).unwrap(), Caller::User(user));
        }
        assert!(caller(&new, header::AUTHORIZATION, &signed(&both)).is_ok(), "the new secret signs");
        assert!(caller(&new, header::AUTHORIZATION, &signed(&old)).is_err());
        let past = both.issue(user, 0, DateTime::from_timestamp(1, 0).unwrap(), 60).unwrap();
        let expired = caller(&both, header::AUTHORIZATION, &format!("Bearer {past}")).unwrap_err();
        assert_eq!(expired.body()["code"], "token_expired");
    }
}
