//! What a route's signature says of it in the API's description (OpenAPI 3.1): parameters, answers, and the codes of its errors.

use aide::{
    generate::GenContext,
    openapi::{self, MediaType, Operation, ReferenceOr, SchemaObject},
    transform::TransformOperation,
};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::{code::Code, codes};

/// Gathers an operation's codes until its answers are written.
pub(crate) const CODES: &str = "x-codes";
/// What a description says of a route whose body may be longer than others: how long, in bytes.
pub const LONGEST_BODY: &str = "x-longest-body";
/// Holds the form of an operation's id that is no number, until its path is described.
pub(crate) const ID_PATTERN: &str = "x-id-pattern";
/// What any route may answer, whatever it does.
const ANY: [Code; 4] = [codes::RATE_LIMITED, codes::INTERNAL_ERROR, codes::OVERLOADED, codes::DATABASE_UNAVAILABLE];

/// Says of a route what it does, and the codes of its own errors; those of its callers, body and query it has from its
/// signature.
pub fn about<const N: usize>(
    summary: &'static str,
    codes: [Code; N],
) -> impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_> {
    move |mut operation| {
        refuses(operation.inner_mut(), &codes);
        refuses(operation.inner_mut(), &ANY);
        operation.summary(summary)
    }
}

/// Adds codes with which an operation may be refused.
pub fn refuses(operation: &mut Operation, codes: &[Code]) {
    let known = operation.extensions.entry(CODES.to_owned()).or_insert_with(|| json!([]));
    if let Some(known) = known.as_array_mut() {
        known.extend(codes.iter().map(|code| json!(described(*code))));
    }
}

/// A code as a description has it: status, name and sentence.
pub(crate) type DescribedCode = (u16, String, String);

/// What a description says of a code.
pub(crate) fn described(code: Code) -> DescribedCode {
    (code.status().as_u16(), code.name().to_owned(), code.message().to_owned())
}

/// Adds a parameter that a request may have in its `place`: `header` or `query`.
pub fn takes(operation: &mut Operation, place: &str, name: &str, description: &str, schema: &Value) {
    let parameter = json!({"in": place, "name": name, "description": description, "schema": schema});
    operation.parameters.push(serde_json::from_value(parameter).expect("it is an OpenAPI parameter"));
}

/// A header of an answer, which holds text.
pub fn header(description: &str) -> ReferenceOr<openapi::Header> {
    let header = json!({"description": description, "schema": {"type": "string"}});
    serde_json::from_value(header).expect("it is an OpenAPI header")
}

/// An answer with a body of `T` as JSON.
pub fn answers<T: JsonSchema>(context: &mut GenContext, status: u16) -> (Option<u16>, openapi::Response) {
    let json_schema = context.schema.subschema_for::<T>();
    let schema = Some(SchemaObject { json_schema, external_docs: None, example: None });
    let media_type = MediaType { schema, ..MediaType::default() };
    let response = openapi::Response {
        description: reason(status).to_owned(),
        content: [("application/json".to_owned(), media_type)].into_iter().collect(),
        ..openapi::Response::default()
    };
    (Some(status), response)
}

fn reason(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default()
}
