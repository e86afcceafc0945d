//! Who calls, as types: a handler's signature says whom it lets in.
//!
//! Three callers exist: a user (`Authorization: Bearer <JWT>`), a service (`X-Service-Token`) and anyone.
//! [`Service`] and [`Authenticated`] guard routes that are documented with a header, in every mode. [`Visitor`] guards
//! those documented without one: open in development, authenticated in production; [`Trusted`] is its like for what only
//! a service may do. [`Owner`] and [`Viewer`] are for routes whose path names the user that they are about.

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderMap, HeaderName, header, request::Parts},
};
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::{
    ApiError, Result, UserId,
    config::{Mode, ServiceConfig},
    extract::Path,
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
            Self::User(id) if !users.contains(&id) => Err(ApiError::forbidden()),
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
}

/// Knows the secrets by which callers prove who they are. Cheap to clone; part of every service's state.
#[derive(Clone)]
pub struct Gatekeeper(Arc<Secrets>);

struct Secrets {
    mode: Mode,
    service_token: SecretString,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl Gatekeeper {
    /// A gatekeeper with the service's secrets.
    pub fn new(config: &ServiceConfig) -> Self {
        let secret = config.jwt_secret.expose_secret().as_bytes();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY_SECONDS;
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        Self(Arc::new(Secrets {
            mode: config.mode,
            service_token: config.service_token.clone(),
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            validation,
        }))
    }

    /// An access token (JWT, RFC 7519, HS256) for `user`, valid from `now` for `seconds`.
    pub fn issue(&self, user: UserId, now: DateTime<Utc>, seconds: i64) -> Result<String> {
        let iat = now.timestamp();
        let claims = Claims { sub: user.to_string(), iss: ISSUER.into(), iat, exp: iat + seconds };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.0.encoding).map_err(ApiError::internal)
    }

    /// The caller that the headers prove. A credential that is shown must be right, even where none is needed.
    fn identify(&self, headers: &HeaderMap) -> Result<Caller> {
        if let Some(token) = headers.get(SERVICE_TOKEN) {
            let expected = self.0.service_token.expose_secret().as_bytes();
            return if bool::from(token.as_bytes().ct_eq(expected)) {
                Ok(Caller::Service)
            } else {
                Err(ApiError::unauthorized("invalid_service_token", "The service token is not valid"))
            };
        }
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(Caller::Anyone) };
        let value = value.to_str().unwrap_or_default();
        let invalid = || ApiError::unauthorized("invalid_token", "The token is not valid");
        let (scheme, token) = value.split_once(' ').ok_or_else(invalid)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(invalid());
        }
        let claims = jsonwebtoken::decode::<Claims>(token.trim(), &self.0.decoding, &self.0.validation)
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::ExpiredSignature => {
                    ApiError::unauthorized("token_expired", "Token has expired")
                }
                _ => invalid(),
            })?
            .claims;
        Ok(Caller::User(claims.sub.parse().map_err(|_| invalid())?))
    }
}

fn missing() -> ApiError {
    ApiError::unauthorized("missing_token", "This request needs an access token or a service token")
}

fn not_a_service<T>(caller: Caller) -> Result<T> {
    Err(match caller {
        Caller::User(_) => ApiError::forbidden(),
        _ => ApiError::unauthorized("missing_service_token", "This request needs the X-Service-Token header"),
    })
}

/// A service; in every mode.
pub struct Service;

/// A user or a service; in every mode.
pub struct Authenticated(pub Caller);

/// A user or a service; anyone in development.
pub struct Visitor(pub Caller);

/// A service; anyone in development.
pub struct Trusted;

/// The user whom the path names, or a service; in every mode.
pub struct Owner {
    /// Who calls.
    pub caller: Caller,
    /// The user whom the path names.
    pub user: UserId,
}

/// The user whom the path names, or a service; anyone in development. Holds the user whom the path names.
pub struct Viewer(pub UserId);

impl<S: Send + Sync> FromRequestParts<S> for Visitor
where
    Gatekeeper: FromRef<S>,
{
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let gatekeeper = Gatekeeper::from_ref(state);
        match gatekeeper.identify(&parts.headers)? {
            Caller::Anyone if gatekeeper.0.mode == Mode::Production => Err(missing()),
            caller => Ok(Self(caller)),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Trusted
where
    Gatekeeper: FromRef<S>,
{
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let gatekeeper = Gatekeeper::from_ref(state);
        match gatekeeper.identify(&parts.headers)? {
            Caller::Service => Ok(Self),
            _ if gatekeeper.0.mode == Mode::Development => Ok(Self),
            caller => not_a_service(caller),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Authenticated
where
    Gatekeeper: FromRef<S>,
{
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        match Gatekeeper::from_ref(state).identify(&parts.headers)? {
            Caller::Anyone => Err(missing()),
            caller => Ok(Self(caller)),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Service
where
    Gatekeeper: FromRef<S>,
{
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        match Gatekeeper::from_ref(state).identify(&parts.headers)? {
            Caller::Service => Ok(Self),
            caller => not_a_service(caller),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Owner
where
    Gatekeeper: FromRef<S>,
{
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let Authenticated(caller) = Authenticated::from_request_parts(parts, state).await?;
        let Path(user) = Path::<UserId>::from_request_parts(parts, state).await?;
        caller.must_be_one_of(&[user])?;
        Ok(Self { caller, user })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Viewer
where
    Gatekeeper: FromRef<S>,
{
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let Visitor(caller) = Visitor::from_request_parts(parts, state).await?;
        let Path(user) = Path::<UserId>::from_request_parts(parts, state).await?;
        caller.must_be_one_of(&[user])?;
        Ok(Self(user))
    }
}
