//! Bodies, paths and queries, with errors that name every field that is wrong: see [`crate::fields`].

use aide::{
    OperationInput,
    generate::GenContext,
    openapi::{
        MediaType, Operation, Parameter, ParameterData, ParameterSchemaOrContent, QueryStyle, ReferenceOr, RequestBody,
        SchemaObject,
    },
    operation::{ParamLocation, parameters_from_schema},
};
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, RawPathParams, Request},
    http::{HeaderMap, header, request::Parts},
    response::{IntoResponse, Response},
};
use money::ids::{Id, InvalidId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    codes, describe,
    error::{ApiError, Result},
    fields::{self, FromFields},
};

/// The largest body of a public route, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// The largest body of an internal route that takes a list, in bytes.
pub const MAX_INTERNAL_BODY: usize = 4 * 1024 * 1024;

/// The bytes of a JSON body.
///
/// # Errors
/// If it says that it is anything else.
pub async fn json_bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes> {
    if !is_json(request.headers()) {
        return Err(codes::UNSUPPORTED_MEDIA_TYPE.into());
    }
    plain_bytes(request, state).await
}

/// The bytes of a body, which is not compressed. They have been received: see `server::receive`.
pub async fn plain_bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes> {
    if is_encoded(request.headers()) {
        return Err(codes::UNSUPPORTED_ENCODING.into());
    }
    Bytes::from_request(request, state).await.map_err(|_| codes::MALFORMED_BODY.into())
}

/// A JSON body. As an extractor, a request with this type's fields.
pub struct Json<T>(pub T);

impl<T: FromFields, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        fields::from_json(&json_bytes(request, state).await?).map(Self)
    }
}

impl<T: JsonSchema> OperationInput for Json<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let json_schema = context.schema.subschema_for::<T>();
        let schema = Some(SchemaObject { json_schema, external_docs: None, example: None });
        let content = ("application/json".to_owned(), MediaType { schema, ..MediaType::default() });
        let body = RequestBody { content: [content].into_iter().collect(), required: true, ..RequestBody::default() };
        operation.request_body = Some(ReferenceOr::Item(body));
        refuses_bodies(operation);
    }
}

/// Says of an operation how a JSON body may be refused.
pub fn refuses_bodies(operation: &mut Operation) {
    describe::refuses(
        operation,
        &[codes::MALFORMED_BODY, codes::MALFORMED_JSON, codes::INVALID_BODY, codes::INVALID_VALUE],
    );
    describe::refuses(operation, &[codes::UNKNOWN_FIELD, codes::MISSING_FIELD, codes::DUPLICATE_FIELD]);
    describe::refuses(operation, &[codes::BODY_TOO_LARGE, codes::UNSUPPORTED_MEDIA_TYPE, codes::UNSUPPORTED_ENCODING]);
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

/// True if the body is compressed, or anything else than it is itself.
fn is_encoded(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::CONTENT_ENCODING).iter();
    let codings = values.map(|value| value.to_str().unwrap_or("unreadable"));
    codings
        .flat_map(|value| value.split(','))
        .any(|coding| !matches!(coding.trim().to_ascii_lowercase().as_str(), "" | "identity"))
}

/// An id of the path: the parameter that is named after its kind (`user_id`), else `id`, which is that of the thing itself. One
/// that does not parse is 400.
pub struct Path<T>(pub T);

/// The name of the parameter that holds the id of what the path is about.
const OWN: &str = "id";

impl<T: Id, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        // what is not UTF-8 is no id either
        let unreadable = || ApiError::invalid(OWN, InvalidId.to_string());
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| unreadable())?;
        let named = |name| params.iter().find(|(known, _)| *known == name);
        let (name, text) = named(T::PARAMETER)
            .or_else(|| named(OWN))
            .ok_or_else(|| ApiError::internal(format!("the route has no parameter {} or {OWN}", T::PARAMETER)))?;
        text.parse().map(Self).map_err(|invalid: T::Err| ApiError::invalid(name, invalid.to_string()))
    }
}

/// Its parameter is described from the route's path; one that is no number says its form.
impl<T: Id> OperationInput for Path<T> {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        if let Some(pattern) = T::PATTERN {
            operation.extensions.insert(describe::ID_PATTERN.to_owned(), pattern.into());
        }
        describe::refuses(operation, &[codes::INVALID_VALUE]);
    }
}

/// A query string that gives the fields of a `T`.
pub struct Query<T>(pub T);

impl<T: JsonSchema> OperationInput for Query<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let schema = context.schema.subschema_for::<T>();
        let parameters = parameters_from_schema(context, schema, ParamLocation::Query);
        let parameters = parameters.into_iter().map(as_it_is_written);
        operation.parameters.extend(parameters.map(ReferenceOr::Item));
        let codes = [codes::INVALID_VALUE, codes::UNKNOWN_FIELD, codes::MISSING_FIELD, codes::DUPLICATE_FIELD];
        describe::refuses(operation, &codes);
    }
}

/// An object in a query is written as `name[member]=text`.
fn as_it_is_written(mut parameter: Parameter) -> Parameter {
    if let Parameter::Query { parameter_data: ParameterData { format, explode, .. }, style, .. } = &mut parameter
        && let ParameterSchemaOrContent::Schema(schema) = format
        && schema.json_schema.get("additionalProperties").is_some()
    {
        (*style, *explode) = (QueryStyle::DeepObject, Some(true));
    }
    parameter
}

impl<T: FromFields, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        fields::from_query(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::get};
    use lab::http::{Api, serve};
    use money::{TransactionId, UserId};

    use super::*;

    #[tokio::test]
    async fn an_id_is_found_by_its_kind_wherever_it_stands() {
        let both = async |Path(user): Path<UserId>, Path(own): Path<TransactionId>| format!("{user} {own}");
        let own = async |Path(user): Path<UserId>| user.to_string();
        let routes = Router::new()
            .route("/users/{user_id}/transactions/{id}", get(both))
            .route("/transactions/{id}/of/{user_id}", get(both))
            .route("/users/{id}", get(own))
            .route("/nobody/{name}", get(own));
        let api = Api::new(serve(routes).await);
        for (path, found) in [("/users/1/transactions/2", "1 2"), ("/transactions/2/of/1", "1 2"), ("/users/3", "3")] {
            assert_eq!(api.get(path).await.expect(200).text, found);
        }
        for (path, wrong) in
            [("/users/x/transactions/2", "user_id"), ("/users/1/transactions/0", "id"), ("/users/-1", "id")]
        {
            let refused = api.get(path).await.expect(400);
            assert_eq!(refused["fields"], serde_json::json!({wrong: "must be a positive whole number"}), "{path}");
        }
        let _ = api.get("/nobody/1").await.expect(500);
    }
}
