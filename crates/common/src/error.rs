//! The one error that leaves a service, and how it looks as JSON.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use crate::{
    context,
    db::{self, DbError},
};

/// What a handler returns.
pub type Result<T, E = ApiError> = std::result::Result<T, E>;

/// Seconds that a caller should wait before it asks again after a 503.
const RETRY_AFTER_SECONDS: u32 = 1;

/// An answer other than success: a status, a stable code, a sentence that a person can act on.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    fields: BTreeMap<String, String>,
    details: Map<String, Value>,
    retry_after: Option<u32>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ApiError {
    /// An error with its status, its stable code and its sentence.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            fields: BTreeMap::new(),
            details: Map::new(),
            retry_after: None,
            cause: None,
        }
    }

    /// 400: the request is not as it must be.
    pub fn bad_request(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 400 for one field, with a phrase that follows its name.
    pub fn invalid(field: &str, phrase: impl Into<String>) -> Self {
        let (code, message) = if field.ends_with("amount") {
            ("invalid_amount", "The amount is not valid")
        } else {
            ("invalid_value", "A value is not valid")
        };
        Self::bad_request(code, message).field(field, phrase)
    }

    /// 401: it is not known who calls.
    pub fn unauthorized(code: &'static str, message: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message)
    }

    /// 403: known, and not allowed.
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "You may not access this resource")
    }

    /// 404 for a kind of resource.
    pub fn not_found(code: &'static str, message: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 409: the resource's state forbids it.
    pub fn conflict(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// 429: too much was asked for, for the time being.
    pub fn too_many(code: &'static str, message: &'static str, wait: Duration) -> Self {
        let mut error = Self::new(StatusCode::TOO_MANY_REQUESTS, code, message);
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        error.retry_after = Some(u32::try_from(seconds.max(1)).unwrap_or(u32::MAX));
        error
    }

    /// 503: something needed cannot be reached, and nothing was moved.
    pub fn unavailable(code: &'static str, message: &'static str) -> Self {
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message);
        error.retry_after = Some(RETRY_AFTER_SECONDS);
        error
    }

    fn busy(cause: Arc<sqlx::Error>) -> Self {
        Self::unavailable("database_unavailable", "The database cannot be reached at the moment").because(cause)
    }

    /// 500 for what nobody expected; the cause is logged, never shown.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "Something went wrong on our side")
            .because(cause)
    }

    /// Adds what is wrong with a field.
    #[must_use]
    pub fn field(mut self, name: &str, phrase: impl Into<String>) -> Self {
        self.fields.insert(name.to_owned(), phrase.into());
        self
    }

    /// Adds a member to the body.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Adds the cause, for the log.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The members of the body, without the request's identity: what a keyed request is answered again with.
    pub fn body(&self) -> Value {
        let mut body = self.details.clone();
        body.insert("error".into(), json!(self.message));
        body.insert("code".into(), json!(self.code));
        if !self.fields.is_empty() {
            body.insert("fields".into(), json!(self.fields));
        }
        Value::Object(body)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            let cause = self.cause.as_deref().map(|cause| error_chain(cause));
            tracing::error!(status = self.status.as_u16(), code = self.code, cause, "request failed");
        }
        let mut response = (self.status, Json(with_request_id(self.body()))).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Adds the identity of the request at hand to an error's body.
pub fn with_request_id(mut body: Value) -> Value {
    if let (Some(members), Some(id)) = (body.as_object_mut(), context::request_id()) {
        members.insert("request_id".into(), json!(id.to_str().unwrap_or_default()));
    }
    body
}

/// An error and all that caused it, in one line.
pub fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::CommitUnknown(cause) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "outcome_unknown",
                "The request may have taken effect; look before you repeat it, or repeat it with the same Idempotency-Key",
            )
            .because(cause),
            DbError::Raced(cause) => Self::busy(cause),
            DbError::Sql(cause) if db::is_unavailable(&cause) || db::is_transient(&cause) => Self::busy(cause),
            DbError::Sql(cause) => Self::internal(cause),
        }
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        DbError::from(error).into()
    }
}
