//! How the API describes itself (OpenAPI 3.1): what a handler takes, answers and whom it lets in is read from its signature,
//! what it does and refuses stands beside its route.

use std::{
    collections::{BTreeMap, BTreeSet},
    marker::PhantomData,
};

use aide::{
    OperationOutput,
    axum::ApiRouter,
    generate::GenContext,
    openapi::{self, Contact, Info, License, MediaType, OpenApi, Operation, ReferenceOr, SchemaObject},
    transform::TransformOperation,
};
use axum::{
    Router,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{Code, caller, config::Mode, extract::Json};

/// Where the document is served.
pub const DOCUMENT_PATH: &str = "/openapi.json";
/// What holds for every route.
const DESCRIPTION: &str = "Amounts are JSON numbers or decimal strings, never floats; times are RFC 3339 in UTC. \
    Every error is JSON with a `code` that stays the same. \
    A request may carry `X-Request-Id` (1 to 64 letters, digits, `.`, `_` or `-`), which names it in all logs; \
    one that is none of these is replaced.";
/// Gathers the names of an operation's codes until its answers are written.
const CODES: &str = "x-codes";
/// What any route may answer, whatever it does.
const COMMON: [Code; 4] = [Code::RateLimited, Code::InternalError, Code::Overloaded, Code::DatabaseUnavailable];

/// Says of a route what it does, and the codes of its own errors; those of its callers, body and query it has from its
/// signature.
pub fn about<const N: usize>(
    summary: &'static str,
    codes: [Code; N],
) -> impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_> {
    move |mut operation| {
        refuses(operation.inner_mut(), &codes);
        refuses(operation.inner_mut(), &COMMON);
        operation.summary(summary)
    }
}

/// Adds codes with which an operation may be refused.
pub fn refuses(operation: &mut Operation, codes: &[Code]) {
    let known = operation.extensions.entry(CODES.to_owned()).or_insert_with(|| json!([]));
    if let Some(known) = known.as_array_mut() {
        known.extend(codes.iter().map(|code| json!(code.name())));
    }
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

/// A JSON body with another status than 200.
pub struct WithStatus<const STATUS: u16, T>(pub T);

/// 201 with a JSON body.
pub type Created<T> = WithStatus<201, T>;
/// 202 with a JSON body: the outcome is not known yet.
pub type Accepted<T> = WithStatus<202, T>;

impl<const STATUS: u16, T: Serialize> IntoResponse for WithStatus<STATUS, T> {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(STATUS).expect("a status that the code names");
        (status, Json(self.0)).into_response()
    }
}

/// A finished response, which is described as a `T`.
pub struct Reply<T>(Response, PhantomData<T>);

/// Either of two answers, in the description of a [`Reply`].
pub struct Either<A, B>(PhantomData<(A, B)>);

impl<T> Reply<T> {
    /// The reply for anything that can be answered.
    pub fn new(response: impl IntoResponse) -> Self {
        Self(response.into_response(), PhantomData)
    }
}

impl<T> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        self.0
    }
}

/// Describes answers by [`OperationOutput::inferred_responses`] alone.
macro_rules! output {
    ([$($parameters:tt)*] $type:ty, $described:expr) => {
        impl<$($parameters)*> OperationOutput for $type {
            type Inner = Self;
            fn inferred_responses(
                context: &mut GenContext,
                operation: &mut Operation,
            ) -> Vec<(Option<u16>, openapi::Response)> {
                $described(context, operation)
            }
        }
    };
}

output!([const STATUS: u16, T: JsonSchema] WithStatus<STATUS, T>, |context, _| vec![answers::<T>(context, STATUS)]);
output!([T: JsonSchema] Json<T>, |context, _| vec![answers::<T>(context, 200)]);
output!([T: OperationOutput] Reply<T>, |context, operation| T::inferred_responses(context, operation));
output!([A: OperationOutput, B: OperationOutput] Either<A, B>, |context: &mut _, operation: &mut _| {
    let mut both = A::inferred_responses(context, operation);
    both.extend(B::inferred_responses(context, operation));
    both
});

impl OperationOutput for crate::ApiError {
    type Inner = Self;
}

/// A sentence on what was done.
#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({"message": "User deleted successfully"}))]
pub struct Message {
    /// The sentence.
    pub message: &'static str,
}

/// An error.
#[derive(JsonSchema)]
#[schemars(rename = "Error")]
#[expect(dead_code, reason = "it only describes what `ApiError` answers")]
struct ErrorBody {
    /// A sentence that a person can act on.
    error: String,
    /// A word that stays the same.
    code: String,
    /// What to quote when asking about it; the header X-Request-Id.
    request_id: String,
    /// What is wrong with each field that is named.
    fields: Option<BTreeMap<String, String>>,
    /// The line of a body at which it ceases to be JSON, from 1.
    line: Option<u64>,
    /// The byte of that line, from 1.
    column: Option<u64>,
    /// The failed transaction that keeps the refusal of a payment.
    transaction_id: Option<i64>,
    /// The status that does not allow a change.
    status: Option<String>,
    /// What a service that is not ready waits for.
    missing: Option<String>,
}

/// The routes as axum serves them, and the document that describes them.
pub fn describe<S: Clone + Send + Sync + 'static>(
    routes: ApiRouter<S>,
    service: &str,
    mode: Mode,
) -> (Router<S>, Value) {
    aide::generate::in_context(|context| context.schema.subschema_for::<ErrorBody>());
    let contact = Contact { name: Some("The makers of Digital Wallet".to_owned()), ..Contact::default() };
    let license = License { name: "MIT".to_owned(), identifier: Some("MIT".to_owned()), ..License::default() };
    let info = Info {
        title: service.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        description: Some(DESCRIPTION.to_owned()),
        contact: Some(contact),
        license: Some(license),
        ..Info::default()
    };
    let mut api = OpenApi { info, ..OpenApi::default() };
    let routes = routes.finish_api(&mut api);
    let mut document = serde_json::to_value(api).expect("a document can be written as JSON");
    // beside the document, also where a gateway shows both below another path
    document["servers"] = json!([{"url": ".", "description": "The service that this document is from."}]);
    document["components"]["securitySchemes"] = caller::security_schemes();
    let schemas = document["components"]["schemas"].clone();
    let mut used = BTreeSet::new();
    for (path, methods) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in methods.as_object_mut().into_iter().flatten() {
            if let Some(operation) = operation.as_object_mut() {
                complete(operation, path, method, mode);
                show_examples(operation, &schemas);
                used.extend(operation["tags"][0].as_str().map(str::to_owned));
            }
        }
    }
    let tags = TAGS.iter().filter(|(name, _)| used.contains(*name));
    document["tags"] = tags.map(|(name, description)| json!({"name": name, "description": description})).collect();
    drop_unused_schemas(&mut document);
    (routes, document)
}

/// The groups in which operations are shown, in this order: what people come for before what holds it together.
const TAGS: [(&str, &str); 10] = [
    ("auth", "Opening an account, and logging in."),
    ("users", "Accounts, balances, and money that comes in and goes out."),
    ("transactions", "Transfers between users."),
    ("notifications", "What users are told by mail."),
    ("reports", "Reports of transactions."),
    ("summaries", "Totals of a user."),
    ("sync", "Taking over what the reports are made of."),
    ("webhooks", "Events, sent to other systems."),
    ("internal", "What the services ask of each other."),
    ("service", "How the service itself is."),
];
/// Routes that every service has, in the group `service`.
const OF_EVERY_SERVICE: [&str; 3] = ["health", "ready", "metrics"];

/// Gives each body and each success the example of its type.
fn show_examples(operation: &mut Map<String, Value>, schemas: &Value) {
    let mut body = operation.remove("requestBody");
    let responses = operation.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten();
    let successes = responses.filter(|(status, _)| status.starts_with('2')).map(|(_, response)| response);
    for content in successes.chain(&mut body).map(|part| &mut part["content"]) {
        for media_type in content.as_object_mut().into_iter().flat_map(Map::values_mut) {
            if let Some(example) = example_of(&media_type["schema"], schemas) {
                media_type["example"] = example;
            }
        }
    }
    operation.extend(body.map(|body| ("requestBody".to_owned(), body)));
}

/// The example of a schema, or of the items that it lists.
fn example_of(schema: &Value, schemas: &Value) -> Option<Value> {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return example_of(&schemas[name], schemas);
    }
    if schema["type"] == "array" {
        return example_of(&schema["items"], schemas).map(|item| json!([item]));
    }
    schema["examples"].get(0).cloned()
}

/// Takes out the schemas that nothing refers to: those of queries, whose parameters are described one by one.
fn drop_unused_schemas(document: &mut Value) {
    loop {
        let text = document.to_string();
        let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
        let before = schemas.len();
        schemas.retain(|name, _| text.contains(&format!("\"#/components/schemas/{name}\"")));
        if schemas.len() == before {
            return;
        }
    }
}

/// Adds to an operation what follows from its path, its method and its codes.
fn complete(operation: &mut Map<String, Value>, path: &str, method: &str, mode: Mode) {
    let words = path.split(['/', '{', '}', '-']).filter(|word| !word.is_empty());
    operation
        .insert("operationId".into(), json!([method].into_iter().chain(words.clone()).collect::<Vec<_>>().join("_")));
    let first = words.clone().next().unwrap_or_default();
    let tag = if OF_EVERY_SERVICE.contains(&first) { "service" } else { first };
    operation.insert("tags".into(), json!([tag]));
    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
        let schema = json!({"type": "integer", "minimum": 1, "maximum": i64::MAX});
        let description = if name == "user_id" { "The user's number." } else { "The number of what it is about." };
        let parameter =
            json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema});
        parameters.as_array_mut().into_iter().for_each(|list| list.insert(0, parameter.clone()));
    }
    if let (Some(security), Mode::Production) = (operation.get_mut("security").and_then(Value::as_array_mut), mode) {
        security.retain(|way| way.as_object().is_some_and(|way| !way.is_empty())); // nobody comes in without showing one
    }
    operation.entry("security").or_insert_with(|| json!([]));
    let description = description(operation);
    operation.insert("description".into(), json!(description));
    let named = operation.remove(CODES).unwrap_or_default();
    let named = |code: &Code| named.as_array().is_some_and(|names| names.contains(&json!(code.name())));
    let is_write = method != "get";
    let applies = |code: &&Code| named(code) || (**code == Code::OutcomeUnknown && is_write);
    for code in Code::ALL.iter().filter(applies) {
        add_error(operation, *code);
    }
    let is_keyed =
        operation["parameters"].as_array().is_some_and(|list| list.iter().any(|p| p["name"] == "Idempotency-Key"));
    for response in operation["responses"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        let text = json!({"type": "string"});
        response["headers"]["X-Request-Id"] =
            json!({"schema": text, "description": "The request's identity in all logs."});
        if is_keyed {
            let description = "`true` if this is the answer that the key had before.";
            response["headers"]["Idempotent-Replayed"] = json!({"schema": text, "description": description});
        }
    }
}

/// Who may call an operation, and what else holds for it, in sentences.
fn description(operation: &Map<String, Value>) -> String {
    let ways = operation.get("security").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let takes = |scheme: &str| ways.iter().any(|way| !way[scheme].is_null());
    let is_open = ways.iter().any(|way| way.as_object().is_some_and(Map::is_empty));
    let callers = match (takes(caller::ACCESS_TOKEN), takes(caller::SERVICE_ACCESS), takes(caller::METRICS_ACCESS)) {
        (true, _, _) => {
            "For the user whom it is about (`Authorization: Bearer …`), and for services (`X-Service-Token`)"
        }
        (_, _, true) => "For whoever shows the `METRICS_TOKEN`, and for services (`X-Service-Token`)",
        (_, true, _) => "For services (`X-Service-Token`)",
        _ => "For anyone",
    };
    let development = if is_open { "; in development for anyone" } else { "" };
    let parameters = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
    let is_keyed = parameters.into_iter().any(|parameter| parameter["name"] == "Idempotency-Key");
    let keyed =
        if is_keyed { " With an `Idempotency-Key` it takes effect once, however often it is sent." } else { "" };
    let summary = operation.get("summary").and_then(Value::as_str).unwrap_or_default();
    format!("{summary}. {callers}{development}.{keyed}")
}

fn add_error(operation: &mut Map<String, Value>, code: Code) {
    let status = code.status();
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    if responses[status.as_str()].is_null() {
        let allowed = json!({"properties": {"code": {"enum": []}}});
        let schema = json!({"allOf": [{"$ref": "#/components/schemas/Error"}, allowed]});
        let mut headers = json!({});
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let schema = json!({"type": "string", "pattern": "^[0-9]+$"});
            headers["Retry-After"] = json!({"schema": schema, "description": "Seconds to wait."});
        }
        if status == StatusCode::UNAUTHORIZED {
            let schema = json!({"type": "string", "const": "Bearer"});
            headers["WWW-Authenticate"] = json!({"schema": schema, "description": "How to show who calls."});
        }
        responses[status.as_str()] = json!({
            "description": status.canonical_reason(),
            "headers": headers,
            "content": {"application/json": {"schema": schema, "examples": {}}},
        });
    }
    let content = &mut responses[status.as_str()]["content"]["application/json"];
    if let Some(codes) = content["schema"]["allOf"][1]["properties"]["code"]["enum"].as_array_mut() {
        codes.push(json!(code.name()));
    }
    let value =
        json!({"error": code.message(), "code": code.name(), "request_id": "5f6c0fd2-7c7b-4d0e-9d86-0a2a5f4b3c11"});
    content["examples"][code.name()] = json!({"summary": code.message(), "value": value});
}
