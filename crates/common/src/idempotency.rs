//! `Idempotency-Key`: a request that is sent twice takes effect once and is answered twice.
//!
//! A key is scoped to caller and route and kept, with the answer, in the same database transaction as the effect.

use std::fmt::Write;

use aide::{OperationInput, generate::GenContext, openapi::Operation};
use axum::{
    Json,
    extract::FromRequestParts,
    http::{HeaderValue, StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use mysql::{DbError, File};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::MySqlConnection;

use crate::{
    caller::Caller,
    codes, describe,
    error::{self, ApiError, Result},
    headers::{IDEMPOTENCY_KEY, REPLAYED},
};

/// The table of keys.
pub const TABLE: File = mysql::migration!("0004_idempotency_keys");
/// The longest key, in bytes.
const MAX_KEY: usize = 255;

/// The caller's key, if it sent one: 1–255 visible ASCII characters; a quoted key (`"k-1"`) is the same as a bare one.
#[derive(Debug, Clone)]
pub struct IdempotencyKey(pub Option<String>);

impl IdempotencyKey {
    /// The key, unless it is `ignored`.
    #[must_use]
    pub fn unless(self, ignored: bool) -> Self {
        Self(self.0.filter(|_| !ignored))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let mut values = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else { return Ok(Self(None)) };
        let key = value
            .to_str()
            .ok()
            .and_then(unquoted)
            .filter(|key| (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()));
        match (key, values.next()) {
            (Some(key), None) => Ok(Self(Some(key))),
            _ => Err(codes::INVALID_IDEMPOTENCY_KEY.into()),
        }
    }
}

/// The key in `value`: bare, or quoted as a String of RFC 9651, which names the same key; `None` for half a quotation.
fn unquoted(value: &str) -> Option<String> {
    let Some(inner) = value.strip_prefix('"') else { return Some(value.to_owned()) };
    let mut chars = inner.strip_suffix('"')?.chars();
    let mut key = String::new();
    while let Some(char) = chars.next() {
        match char {
            '\\' => key.push(chars.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            '"' => return None,
            char => key.push(char),
        }
    }
    Some(key)
}

impl OperationInput for IdempotencyKey {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        let schema = json!({"anyOf": [
            {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[!#-~][!-~]*$"},
            {"type": "string", "pattern": format!("^\"([!#-\\[\\]-~]|\\\\[\"\\\\]){{1,{MAX_KEY}}}\"$")},
        ]});
        let description =
            "Names the request: sent again with the same key, it takes effect once and is answered again.";
        describe::takes(operation, "header", "Idempotency-Key", description, &schema);
        describe::refuses(operation, &[codes::INVALID_IDEMPOTENCY_KEY, codes::IDEMPOTENCY_KEY_REUSED]);
    }
}

/// A digest of what a request asks for: equal for equal requests, however they were written down.
pub fn fingerprint(request: &impl Serialize) -> Vec<u8> {
    let canonical = serde_json::to_vec(request).expect("a request that was parsed can be written");
    Sha256::digest(canonical).to_vec()
}

/// A request that carries a key.
#[derive(Debug, Clone)]
pub struct KeyedRequest {
    /// Caller and route, within which the key is unique.
    pub scope: String,
    /// The caller's key.
    pub key: String,
    /// The digest of what the request asks for.
    pub fingerprint: Vec<u8>,
}

impl KeyedRequest {
    /// The request of `caller` to `route` under `key`, if it has one.
    pub fn new(key: IdempotencyKey, caller: Caller, route: &str, request: &impl Serialize) -> Option<Self> {
        let key = key.0?;
        Some(Self { scope: format!("{caller} {route}"), key, fingerprint: fingerprint(request) })
    }
}

impl KeyedRequest {
    /// The request to `route` under a `name` that its body gives it: any text, the same for all callers.
    pub fn named(name: &str, route: &str, request: &impl Serialize) -> Self {
        let mut key = String::new();
        for byte in Sha256::digest(name) {
            write!(key, "{byte:02x}").expect("a String takes everything");
        }
        Self { scope: format!("reference {route}"), key, fingerprint: fingerprint(request) }
    }
}

/// What is known of a key that was used before.
#[derive(Debug)]
pub enum Known {
    /// Its request was answered.
    Answered(Answer),
    /// It belongs to another request.
    Mismatch,
}

impl Known {
    /// The answer that the key has; 422 if it belongs to another request.
    pub fn answer(self) -> Result<Answer> {
        match self {
            Self::Answered(answer) => Ok(answer),
            Self::Mismatch => Err(codes::IDEMPOTENCY_KEY_REUSED.into()),
        }
    }
}

/// An answer as it is kept for repetition.
#[derive(Debug, Clone)]
pub struct Answer {
    status: StatusCode,
    body: Value,
    replayed: bool,
}

impl Answer {
    /// A success.
    pub fn new(status: StatusCode, body: &impl Serialize) -> Self {
        let body = serde_json::to_value(body).expect("an answer can be written as JSON");
        Self { status, body, replayed: false }
    }

    /// A refusal, which is kept like a success.
    pub fn refusal(error: &ApiError) -> Self {
        Self { status: error.status(), body: error.body(), replayed: false }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let body = if self.status.is_success() { self.body } else { error::with_request_id(self.body) };
        let mut response = (self.status, Json(body)).into_response();
        if self.replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

/// What is known of the key of `request`; `None` if it is new, or if there is no key.
pub async fn look_up(conn: &mut MySqlConnection, request: Option<&KeyedRequest>) -> sqlx::Result<Option<Known>> {
    let Some(request) = request else { return Ok(None) };
    let row: Option<(Vec<u8>, u16, String)> = sqlx::query_as(
        "SELECT fingerprint, status, body FROM idempotency_keys WHERE scope = ? AND idempotency_key = ?",
    )
    .bind(&request.scope)
    .bind(&request.key)
    .fetch_optional(conn)
    .await?;
    let Some((fingerprint, status, body)) = row else { return Ok(None) };
    if fingerprint != request.fingerprint {
        return Ok(Some(Known::Mismatch));
    }
    let decode = |error: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::Decode(error);
    let status = StatusCode::from_u16(status).map_err(|error| decode(error.into()))?;
    let body = serde_json::from_str(&body).map_err(|error| decode(error.into()))?;
    Ok(Some(Known::Answered(Answer { status, body, replayed: true })))
}

/// Keeps the answer of a new key, if there is one, in the transaction of the effect.
pub async fn store(conn: &mut MySqlConnection, request: Option<&KeyedRequest>, answer: &Answer) -> Result<(), DbError> {
    let Some(request) = request else { return Ok(()) };
    // a second request with the key waits here for the first one's commit, then starts again and finds its answer
    sqlx::query(
        "INSERT INTO idempotency_keys (scope, idempotency_key, fingerprint, status, body) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(&request.scope)
    .bind(&request.key)
    .bind(&request.fingerprint)
    .bind(answer.status.as_u16())
    .bind(answer.body.to_string())
    .execute(conn)
    .await
    .map_err(mysql::raced)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_key_is_the_same_as_a_bare_one() {
        for (value, key) in [
            ("k-1", Some("k-1")),
            (r#""k-1""#, Some("k-1")),
            (r#""a\"b\\c""#, Some(r#"a"b\c"#)),
            (r#"k"1"#, Some(r#"k"1"#)),
            (r#""""#, Some("")),
            (r#"""#, None),
            (r#""k-1"#, None),
            (r#""k"1""#, None),
            (r#""k\n""#, None),
        ] {
            assert_eq!(unquoted(value).as_deref(), key, "{value}");
        }
    }
}
