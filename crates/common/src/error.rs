//! The one error that leaves a service, and how it looks as JSON.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use batch::BatchError;
use mysql::DbError;
use serde_json::{Map, Value, json};

use crate::{code::Code, codes, origin::Origin};

/// What a handler returns.
pub type Result<T, E = ApiError> = std::result::Result<T, E>;

/// Seconds that a caller should wait before it asks again after a 503, unless the error says more.
const RETRY_AFTER_SECONDS: u32 = 1;

/// An answer other than success: a code with its status and sentence, and what there is to say about this case of it.
#[derive(Debug)]
pub struct ApiError {
    code: Code,
    fields: BTreeMap<String, String>,
    details: Map<String, Value>,
    retry_after: Option<u32>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ApiError {
    /// An error with this code.
    pub fn new(code: Code) -> Self {
        Self {
            code,
            fields: BTreeMap::new(),
            details: Map::new(),
            retry_after: (code.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_SECONDS),
            cause: None,
        }
    }

    /// 400 for one field, with a phrase that follows its name.
    pub fn invalid(field: &str, phrase: impl Into<String>) -> Self {
        let code = if field.ends_with("amount") { codes::INVALID_AMOUNT } else { codes::INVALID_VALUE };
        Self::new(code).field(field, phrase)
    }

    /// 500 for what nobody expected; the cause is logged, never shown.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(codes::INTERNAL_ERROR).because(cause)
    }

    /// Adds what is wrong with a field.
    #[must_use]
    pub fn field(mut self, name: &str, phrase: impl Into<String>) -> Self {
        self.fields.insert(name.to_owned(), phrase.into());
        self
    }

    /// Adds what `fault` says of its fields, under other names.
    #[must_use]
    pub fn fields_of(self, fault: &Self, rename: impl Fn(&str) -> String) -> Self {
        fault.fields.iter().fold(self, |error, (field, phrase)| error.field(&rename(field), phrase))
    }

    /// Adds a member to the body.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Says when to ask again: in so many whole seconds, at least one.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.retry_after = Some(u32::try_from(seconds.max(1)).unwrap_or(u32::MAX));
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
        self.code.status()
    }

    /// What kind of error it is.
    pub fn code(&self) -> Code {
        self.code
    }

    /// What is wrong with each field.
    pub fn fields(&self) -> &BTreeMap<String, String> {
        &self.fields
    }

    /// The members of the body, without the request's identity: what a keyed request is answered again with.
    pub fn body(&self) -> Value {
        let mut body = self.details.clone();
        body.insert("error".into(), json!(self.code.message()));
        body.insert("code".into(), json!(self.code.name()));
        if !self.fields.is_empty() {
            body.insert("fields".into(), json!(self.fields));
        }
        Value::Object(body)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            let cause = self.cause.as_deref().map(|cause| error_chain(cause));
            let (status, code) = (status.as_u16(), self.code.name());
            match status {
                // what a service waits for is expected, and the caller gets 503
                _ if self.code == codes::NOT_READY => tracing::debug!(status, code, cause, "not ready"),
                _ if status == 503 => tracing::warn!(status, code, cause, "request refused for now"),
                _ => tracing::error!(status, code, cause, "request failed"),
            }
        }
        let mut response = (status, Json(with_request_id(self.body()))).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Adds the identity of the request at hand to an error's body.
pub fn with_request_id(mut body: Value) -> Value {
    if let (Some(members), Some(id)) = (body.as_object_mut(), Origin::current().request_id) {
        members.insert("request_id".into(), json!(id.to_str().unwrap_or_default()));
    }
    body
}

/// An error and all that caused it, in one line. Many errors say what their cause says: that is there once.
pub fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::CommitUnknown(cause) => Self::new(codes::OUTCOME_UNKNOWN).because(cause),
            DbError::Raced(cause) => Self::new(codes::DATABASE_UNAVAILABLE).because(cause),
            DbError::Sql(cause) if mysql::is_unavailable(&cause) || mysql::is_transient(&cause) => {
                Self::new(codes::DATABASE_UNAVAILABLE).because(cause)
            }
            DbError::Sql(cause) => Self::internal(cause),
        }
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        DbError::from(error).into()
    }
}

impl From<BatchError<DbError>> for ApiError {
    fn from(error: BatchError<DbError>) -> Self {
        match error {
            BatchError::Overloaded => Self::new(codes::OVERLOADED).because(error),
            BatchError::Failed(error) => error.into(),
            BatchError::Lost => Self::internal(error),
        }
    }
}

impl From<BatchError<Infallible>> for ApiError {
    fn from(error: BatchError<Infallible>) -> Self {
        match error {
            BatchError::Overloaded => Self::new(codes::OVERLOADED).because(error),
            BatchError::Lost => Self::internal(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Layer(&'static str, #[source] Option<Box<Self>>);

    #[test]
    fn a_cause_is_told_once_however_many_errors_repeat_it() {
        let chain = |words: &[&'static str]| {
            let innermost = |inner, word: &&'static str| Some(Box::new(Layer(word, inner)));
            error_chain(&*words.iter().rev().fold(None, innermost).unwrap())
        };
        assert_eq!(chain(&["1049: unknown database", "1049: unknown database"]), "1049: unknown database");
        assert_eq!(chain(&["cannot connect", "refused", "refused"]), "cannot connect: refused");
        assert_eq!(chain(&["cannot connect: refused", "refused"]), "cannot connect: refused");
    }

    #[test]
    fn a_database_that_cannot_serve_is_told_as_that_and_a_fault_is_not() {
        let told = |error: sqlx::Error| {
            let told = ApiError::from(error);
            (told.status().as_u16(), told.body()["code"].as_str().unwrap_or_default().to_owned())
        };
        assert_eq!(told(sqlx::Error::PoolTimedOut), (503, "database_unavailable".to_owned()));
        assert_eq!(told(sqlx::Error::RowNotFound), (500, "internal_error".to_owned()));
    }
}
