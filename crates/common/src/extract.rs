//! Bodies, paths and queries, with errors that name the field. Nothing a client sends is silently ignored: request
//! types say `#[serde(deny_unknown_fields)]`.

use std::{str::FromStr, time::Duration};

use aide::{
    OperationInput,
    generate::GenContext,
    openapi::{MediaType, Operation, ReferenceOr, RequestBody, SchemaObject},
    operation::{ParamLocation, parameters_from_schema},
};
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, RawPathParams, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{
    Serialize,
    de::{DeserializeOwned, IgnoredAny},
};

use crate::{ApiError, Code, Result, http::api, ids::InvalidId};

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest body of a public route, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// The largest body of an internal route that takes a list, in bytes.
pub const MAX_INTERNAL_BODY: usize = 4 * 1024 * 1024;

/// A JSON body.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        if !is_json(request.headers()) {
            return Err(Code::UnsupportedMediaType.into());
        }
        let read = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await;
        let body = read.map_err(|_| Code::MalformedBody)?.map_err(|rejection| {
            if rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
                ApiError::new(Code::BodyTooLarge)
            } else {
                ApiError::new(Code::MalformedBody)
            }
        })?;
        parse_json(&body).map(Self)
    }
}

impl<T: JsonSchema> OperationInput for Json<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let json_schema = context.schema.subschema_for::<T>();
        let schema = Some(SchemaObject { json_schema, external_docs: None, example: None });
        let content = ("application/json".to_owned(), MediaType { schema, ..MediaType::default() });
        let body = RequestBody { content: [content].into_iter().collect(), required: true, ..RequestBody::default() };
        operation.request_body = Some(ReferenceOr::Item(body));
        api::refuses(operation, &[Code::MalformedBody, Code::MalformedJson, Code::InvalidBody, Code::InvalidValue]);
        api::refuses(operation, &[Code::UnknownField, Code::MissingField, Code::DuplicateField]);
        api::refuses(operation, &[Code::BodyTooLarge, Code::UnsupportedMediaType]);
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let malformed = || ApiError::new(Code::MalformedJson);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        // an amount is read before what follows it; a number in an enum's place is a syntax error to serde_json, though the
        // body is valid JSON
        let is_json = serde_json::from_slice::<IgnoredAny>(body).is_ok()
            && (error.inner().is_data() || serde_json::from_slice::<serde_json::Value>(body).is_ok());
        if is_json {
            let path = error.path().to_string();
            field_error(&path, &error.into_inner().to_string())
        } else {
            malformed()
        }
    })?;
    deserializer.end().map_err(|_| malformed())?;
    Ok(value)
}

/// Turns serde's words, which are not for callers, into the field and a phrase about it. Our own types word their
/// errors as such a phrase ("must be …"), which passes through.
fn field_error(path: &str, words: &str) -> ApiError {
    let words = words.rsplit_once(" at line ").map_or(words, |(head, _)| head);
    let quoted = || words.split('`').nth(1).unwrap_or_default().to_owned();
    let inside = |name: &str| {
        let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
        // For an unknown or duplicate field the path ends in the field itself; for a missing one, in its parent.
        match (path, parent) {
            ("." | "?", _) => name.to_owned(),
            _ if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
            _ => format!("{path}.{name}"),
        }
    };
    if words.starts_with("unknown field") {
        let name = inside(&quoted());
        ApiError::new(Code::UnknownField).field(&name, "is not known here")
    } else if words.starts_with("missing field") {
        let name = inside(&quoted());
        if name.ends_with("amount") {
            ApiError::invalid(&name, "is missing")
        } else {
            ApiError::new(Code::MissingField).field(&name, "is missing")
        }
    } else if words.starts_with("duplicate field") {
        ApiError::new(Code::DuplicateField).field(&inside(&quoted()), "stands twice")
    } else if path == "." {
        ApiError::new(Code::InvalidBody)
    } else if words.starts_with("must ") {
        ApiError::invalid(path, words)
    } else if words.starts_with("unknown variant") {
        let choices = words.split_once("expected ").map_or("", |(_, choices)| choices);
        ApiError::invalid(path, format!("must be {}", choices.replace('`', "")))
    } else if path.ends_with("amount") {
        ApiError::invalid(path, crate::money::InvalidAmount.to_string())
    } else {
        ApiError::invalid(path, "has the wrong type")
    }
}

/// The id in the path, which is its first parameter. One that does not parse is 400.
pub struct Path<T>(pub T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        // what is not UTF-8 is no id either
        let params = RawPathParams::from_request_parts(parts, state).await.ok();
        let id = params.and_then(|params| params.iter().next()?.1.parse().ok());
        id.map(Self).ok_or_else(|| ApiError::invalid("id", InvalidId.to_string()))
    }
}

/// Its parameter is described from the route's path.
impl<T> OperationInput for Path<T> {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        api::refuses(operation, &[Code::InvalidValue]);
    }
}

/// A query string.
pub struct Query<T>(pub T);

impl<T: JsonSchema> OperationInput for Query<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let schema = context.schema.subschema_for::<T>();
        let parameters = parameters_from_schema(context, schema, ParamLocation::Query);
        operation.parameters.extend(parameters.into_iter().map(ReferenceOr::Item));
        let codes = [Code::InvalidValue, Code::UnknownField, Code::MissingField, Code::DuplicateField];
        api::refuses(operation, &codes);
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let query = parts.uri.query().unwrap_or_default();
        let deserializer = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(deserializer).map(Self).map_err(|error| {
            let path = error.path().to_string();
            field_error(&path, &error.into_inner().to_string())
        })
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::{Amount, UserId};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Payment {
        #[expect(dead_code, reason = "only its errors matter here")]
        receiver_id: UserId,
        #[expect(dead_code, reason = "only its errors matter here")]
        amount: Amount,
        #[expect(dead_code, reason = "only its errors matter here")]
        kind: Option<Kind>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Gift,
        Bill,
    }

    #[test]
    fn each_mistake_names_its_field() {
        for (body, code, field, phrase) in [
            (r#"{"receiver_id":1,"amount":1,"x":1}"#, "unknown_field", "x", "is not known here"),
            (r#"{"amount":1}"#, "missing_field", "receiver_id", "is missing"),
            (r#"{"receiver_id":1}"#, "invalid_amount", "amount", "is missing"),
            (r#"{"receiver_id":1,"amount":1,"amount":2}"#, "duplicate_field", "amount", "stands twice"),
            (r#"{"receiver_id":0,"amount":1}"#, "invalid_value", "receiver_id", "must be a positive whole number"),
            (r#"{"receiver_id":"1","amount":1}"#, "invalid_value", "receiver_id", "has the wrong type"),
            (r#"{"receiver_id":1,"amount":1,"kind":"x"}"#, "invalid_value", "kind", "must be gift or bill"),
            (
                r#"{"receiver_id":1,"amount":"abc"}"#,
                "invalid_amount",
                "amount",
                "must be a number greater than 0 with at most two decimals and 15 digits",
            ),
            (
                r#"{"receiver_id":1,"amount":null}"#,
                "invalid_amount",
                "amount",
                "must be a number greater than 0 with at most two decimals and 15 digits",
            ),
        ] {
            let body_of = parse_json::<Payment>(body.as_bytes()).unwrap_err().body();
            assert_eq!((&body_of["code"], &body_of["fields"]), (&json!(code), &json!({field: phrase})), "{body}");
        }
    }

    #[test]
    fn what_is_no_json_object_is_told_so() {
        for (body, code) in
            [("", "malformed_json"), ("{", "malformed_json"), ("{}x", "malformed_json"), ("3", "invalid_body")]
        {
            assert_eq!(parse_json::<Payment>(body.as_bytes()).unwrap_err().body()["code"], code, "{body}");
        }
        let trailing = br#"{"receiver_id":1,"amount":1} x"#;
        assert_eq!(parse_json::<Payment>(trailing).unwrap_err().body()["code"], "malformed_json");
    }
}
