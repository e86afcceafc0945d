//! Whom a handler lets in: what stands in its signature.

use aide::{OperationInput, generate::GenContext, openapi::Operation};
use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use chrono::{DateTime, TimeDelta, Utc};
use money::UserId;
use serde_json::{Value, json};

use super::{
    gatekeeper::{Admitted, Gatekeeper},
    who::Caller,
};
use crate::{
    code::Code,
    codes,
    config::Mode,
    describe,
    error::{ApiError, Result},
    extract::Path,
};

/// By how much the clocks of the instances that date an account and what belongs to it may differ.
const CLOCK_DIFFERENCE: TimeDelta = TimeDelta::seconds(2);

fn not_a_service<T>(caller: Caller) -> Result<T> {
    Err(match caller {
        Caller::User(_) => ApiError::new(codes::FORBIDDEN),
        _ => ApiError::new(codes::MISSING_SERVICE_TOKEN),
    })
}

/// Refuses a user who is another than `user`: in production as if there were none, so that nobody finds out who there is.
fn must_be(caller: Caller, user: UserId, mode: Mode) -> Result<()> {
    caller.must_be_one_of(&[user]).map_err(|forbidden| match mode {
        Mode::Production => codes::USER_NOT_FOUND.into(),
        Mode::Development => forbidden,
    })
}

/// A service; in every mode. It is who calls.
pub struct Service(pub Caller);

/// A user or a service; in every mode.
pub struct Authenticated(pub Caller);

/// A user or a service; anyone in development.
pub struct Visitor {
    /// Who calls.
    pub caller: Caller,
    /// If a user calls: the moment from which on there is anything of its account. What is older belonged to somebody else.
    pub since: Option<DateTime<Utc>>,
    mode: Mode,
}

impl Visitor {
    /// Refuses a user who is none of `parties` of a resource: in production with the code that tells that there is no such
    /// resource, so that nobody finds out which there are; in development with 403. For a user whose account is newer than
    /// the resource, there is none in either.
    pub fn must_be_a_party(&self, parties: &[UserId], created_at: DateTime<Utc>, not_found: Code) -> Result<()> {
        if self.since.is_some_and(|since| created_at < since) {
            return Err(not_found.into());
        }
        self.caller.must_be_one_of(parties).map_err(|forbidden| match self.mode {
            Mode::Production => not_found.into(),
            Mode::Development => forbidden,
        })
    }
}

/// A service; anyone in development. It is who calls.
pub struct Trusted(pub Caller);

/// Whoever shows the `METRICS_TOKEN` or is a service; anyone in development.
pub struct Monitor;

/// The user whom the path names, or a service; in every mode.
pub struct Owner {
    /// Who calls.
    pub caller: Caller,
    /// The user whom the path names.
    pub user: UserId,
}

/// The user whom the path names, or a service; anyone in development.
pub struct Viewer {
    /// The user whom the path names.
    pub user: UserId,
    /// If that user calls: the moment from which on there is anything of its account. What is older belonged to somebody else.
    pub since: Option<DateTime<Utc>>,
}

impl Service {
    fn admit(Admitted { caller, .. }: Admitted, _: Mode) -> Result<Self> {
        match caller {
            Caller::Service(_) => Ok(Self(caller)),
            caller => not_a_service(caller),
        }
    }
}

impl Trusted {
    fn admit(Admitted { caller, .. }: Admitted, mode: Mode) -> Result<Self> {
        match (caller, mode) {
            (Caller::Service(_), _) | (_, Mode::Development) => Ok(Self(caller)),
            (caller, Mode::Production) => not_a_service(caller),
        }
    }
}

impl Authenticated {
    fn admit(Admitted { caller, .. }: Admitted, _: Mode) -> Result<Self> {
        match caller {
            Caller::Anyone => Err(codes::MISSING_TOKEN.into()),
            caller => Ok(Self(caller)),
        }
    }
}

impl Visitor {
    fn admit(Admitted { caller, since }: Admitted, mode: Mode) -> Result<Self> {
        match (caller, mode) {
            (Caller::Anyone, Mode::Production) => Err(codes::MISSING_TOKEN.into()),
            (caller, mode) => Ok(Self { caller, since: since.map(|since| since - CLOCK_DIFFERENCE), mode }),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Monitor
where
    Gatekeeper: FromRef<S>,
{
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        if !Gatekeeper::from_ref(state).is_monitor(&parts.headers) {
            Trusted::from_request_parts(parts, state).await?;
        }
        Ok(Self)
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
        must_be(caller, user, Gatekeeper::from_ref(state).mode())?;
        Ok(Self { caller, user })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Viewer
where
    Gatekeeper: FromRef<S>,
{
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let Visitor { caller, since, mode } = Visitor::from_request_parts(parts, state).await?;
        let Path(user) = Path::<UserId>::from_request_parts(parts, state).await?;
        must_be(caller, user, mode)?;
        Ok(Self { user, since })
    }
}

/// The name of a user's way in, in the API's description.
pub const ACCESS_TOKEN: &str = "accessToken";
/// The name of a service's way in.
pub const SERVICE_ACCESS: &str = "serviceToken";
/// The name of the way in for whoever watches.
pub const METRICS_ACCESS: &str = "metricsToken";

/// Describes how a request shows who sends it.
pub fn security_schemes() -> Value {
    json!({
        ACCESS_TOKEN: {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The access_token of POST /auth/login.",
        },
        SERVICE_ACCESS: {
            "type": "apiKey",
            "in": "header",
            "name": "X-Service-Token",
            "description": "The secret that the services share. Which of them calls it says in X-Service-Name.",
        },
        METRICS_ACCESS: {
            "type": "http",
            "scheme": "bearer",
            "description": "The METRICS_TOKEN, for the metrics alone.",
        },
    })
}

/// Describes the ways in, and what those are told who do not find one.
fn describe(operation: &mut Operation, ways: &[&[&str]], missing: Code) {
    let way = |schemes: &&[&str]| schemes.iter().map(|&scheme| (scheme.to_owned(), Vec::new())).collect();
    operation.security = ways.iter().map(way).collect();
    describe::refuses(operation, &[missing, codes::FORBIDDEN, codes::INVALID_SERVICE_TOKEN, codes::INVALID_TOKEN]);
    describe::refuses(operation, &[codes::INVALID_SERVICE_NAME]);
    describe::refuses(operation, &[codes::TOKEN_EXPIRED, codes::TOKEN_REVOKED, codes::SERVICE_UNAVAILABLE]);
}

/// Lets in whom the type itself admits, and describes the ways in: each with one scheme or, in development, with none.
macro_rules! guard {
    ($guard:ident: [$($way:expr),*], $missing:expr) => {
        impl<S: Send + Sync> FromRequestParts<S> for $guard
        where
            Gatekeeper: FromRef<S>,
        {
            type Rejection = ApiError;
            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
                let gatekeeper = Gatekeeper::from_ref(state);
                Self::admit(gatekeeper.admit(parts).await?, gatekeeper.mode())
            }
        }

        impl OperationInput for $guard {
            fn operation_input(_: &mut GenContext, operation: &mut Operation) {
                describe(operation, &[$($way),*], $missing);
            }
        }
    };
}

guard!(Service: [&[SERVICE_ACCESS]], codes::MISSING_SERVICE_TOKEN);
guard!(Trusted: [&[], &[SERVICE_ACCESS]], codes::MISSING_SERVICE_TOKEN);
guard!(Authenticated: [&[ACCESS_TOKEN], &[SERVICE_ACCESS]], codes::MISSING_TOKEN);
guard!(Visitor: [&[], &[ACCESS_TOKEN], &[SERVICE_ACCESS]], codes::MISSING_TOKEN);

impl OperationInput for Monitor {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        describe(operation, &[&[], &[SERVICE_ACCESS], &[METRICS_ACCESS]], codes::MISSING_SERVICE_TOKEN);
    }
}

impl OperationInput for Owner {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        Authenticated::operation_input(context, operation);
        Path::<UserId>::operation_input(context, operation);
        describe::refuses(operation, &[codes::USER_NOT_FOUND]);
    }
}

impl OperationInput for Viewer {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        Visitor::operation_input(context, operation);
        Path::<UserId>::operation_input(context, operation);
        describe::refuses(operation, &[codes::USER_NOT_FOUND]);
    }
}
