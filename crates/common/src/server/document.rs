//! How the API describes itself (OpenAPI 3.1): what a handler takes, answers and whom it lets in is read from its signature,
//! what it does and refuses stands beside its route.

use std::collections::{BTreeMap, BTreeSet};

use aide::{
    axum::ApiRouter,
    openapi::{Contact, Info, License, OpenApi},
};
use axum::{Router, http::StatusCode};
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use crate::{
    caller::{ACCESS_TOKEN, METRICS_ACCESS, SERVICE_ACCESS, security_schemes},
    codes,
    config::Mode,
    describe::{self, CODES, DescribedCode},
};

/// Where the document is served.
pub const DOCUMENT_PATH: &str = "/openapi.json";
/// Where a document refers to its schemas.
const SCHEMAS: &str = "#/components/schemas/";
/// What holds for every route.
const DESCRIPTION: &str = "Amounts are JSON numbers or decimal strings, never floats; times are RFC 3339 in UTC. \
    Every error is JSON with a `code` that stays the same. \
    A request may carry `X-Request-Id` (1 to 64 letters, digits, `.`, `_` or `-`), which names it in all logs; \
    one that is none of these is replaced.";

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
pub fn document<S: Clone + Send + Sync + 'static>(
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
    document["components"]["securitySchemes"] = security_schemes();
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
const TAGS: [(&str, &str); 19] = [
    ("auth", "Opening an account, and logging in."),
    ("users", "Accounts, balances, and money that comes in and goes out."),
    ("transactions", "Transfers between users."),
    ("batches", "Payments that are made together."),
    ("schedules", "Payments that are made again and again."),
    ("payment", "Asking for money."),
    ("notifications", "What users get by mail."),
    ("reports", "Reports of transactions."),
    ("entries", "Every movement of a balance."),
    ("balances", "What a user could spend at a moment."),
    ("statements", "What moved a balance in a period, as JSON, CSV and PDF."),
    ("charts", "Pictures of a balance, and of money in and out."),
    ("summaries", "Totals of a user."),
    ("overview", "What happens in the whole wallet."),
    ("reconciliations", "Files of banks and other books, compared with the wallet."),
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
    let schemas = document["components"]["schemas"].take();
    let (mut used, mut found) = (BTreeSet::new(), references(document));
    while let Some(name) = found.pop() {
        if !used.contains(&name) {
            found.extend(references(&schemas[&name]));
            used.insert(name);
        }
    }
    document["components"]["schemas"] = schemas;
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.retain(|name, _| used.contains(name));
    }
}

/// The names of the schemas that a part of a document refers to.
fn references(part: &Value) -> Vec<String> {
    match part {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix(SCHEMAS));
            own.map(str::to_owned).into_iter().chain(members.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// What an id is, unless it says otherwise.
fn number_schema() -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": i64::MAX})
}

/// Adds to an operation what follows from its path, its method and its codes.
fn complete(operation: &mut Map<String, Value>, path: &str, method: &str, mode: Mode) {
    let words = path.split(['/', '{', '}', '-']).filter(|word| !word.is_empty());
    operation
        .insert("operationId".into(), json!([method].into_iter().chain(words.clone()).collect::<Vec<_>>().join("_")));
    let first = words.clone().next().unwrap_or_default();
    let tag = if OF_EVERY_SERVICE.contains(&first) { "service" } else { first };
    operation.insert("tags".into(), json!([tag]));
    let pattern = operation.remove(describe::ID_PATTERN);
    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
        let (schema, description) = match (&pattern, name) {
            (_, "user_id") => (number_schema(), "The user's number."),
            (Some(pattern), _) => (json!({"type": "string", "pattern": pattern}), "What it is about."),
            _ => (number_schema(), "The number of what it is about."),
        };
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
    let named = operation.remove(CODES).and_then(|codes| serde_json::from_value(codes).ok()).unwrap_or_default();
    let mut codes: BTreeSet<DescribedCode> = named;
    if method != "get" {
        codes.insert(describe::described(codes::OUTCOME_UNKNOWN));
    }
    for code in codes {
        add_error(operation, &code);
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
    let callers = match (takes(ACCESS_TOKEN), takes(SERVICE_ACCESS), takes(METRICS_ACCESS)) {
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

fn add_error(operation: &mut Map<String, Value>, (status, name, message): &DescribedCode) {
    let status = StatusCode::from_u16(*status).expect("the tables hold statuses");
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    if responses[status.as_str()].is_null() {
        let allowed = json!({"properties": {"code": {"enum": []}}});
        let schema = json!({"allOf": [{"$ref": format!("{SCHEMAS}Error")}, allowed]});
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
        codes.push(json!(name));
    }
    let value = json!({"error": message, "code": name, "request_id": "5f6c0fd2-7c7b-4d0e-9d86-0a2a5f4b3c11"});
    content["examples"][name] = json!({"summary": message, "value": value});
}
