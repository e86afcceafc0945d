//! The documents by which the services describe themselves, as tests use them.

use crate::{
    http::{Api, Reply},
    wallet::Service,
};
use reqwest::{Method, header::HeaderName};
use serde_json::{Map, Value, json};

/// Headers that no document needs to name.
const OF_EVERY_SERVER: [&str; 10] = [
    "content-type",
    "content-length",
    "date",
    "cache-control",
    "content-security-policy",
    "x-content-type-options",
    "access-control-expose-headers",
    "access-control-allow-origin",
    "vary",
    "transfer-encoding",
];

/// The `/openapi.json` of a service.
pub struct Document(Value);

/// One route of a document.
pub struct Operation<'a> {
    document: &'a Value,
    /// How it is called.
    pub method: Method,
    /// Its path, with names in braces.
    pub path: &'a str,
    described: &'a Value,
}

impl Document {
    /// What the service behind `api` says of itself.
    pub async fn of(api: &Api) -> Self {
        Self(api.get("/openapi.json").await.expect(200).json)
    }

    /// All its routes.
    pub fn operations(&self) -> Vec<Operation<'_>> {
        let paths = self.0["paths"].as_object().into_iter().flatten();
        let methods =
            paths.flat_map(|(path, methods)| methods.as_object().into_iter().flatten().map(move |m| (path, m)));
        methods
            .map(|(path, (method, described))| Operation {
                document: &self.0,
                method: method.to_uppercase().parse().expect("a document names methods"),
                path,
                described,
            })
            .collect()
    }

    /// The route that a method and a path without names belong to.
    pub fn find(&self, method: &Method, path: &str) -> Option<Operation<'_>> {
        let fits = |template: &str| {
            let (named, given): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
            named.len() == given.len() && named.iter().zip(&given).all(|(n, g)| n.starts_with('{') || n == g)
        };
        let mut fitting: Vec<_> =
            self.operations().into_iter().filter(|o| o.method == *method && fits(o.path)).collect();
        fitting.sort_by_key(|operation| operation.path.matches('{').count());
        fitting.into_iter().next()
    }
}

impl Operation<'_> {
    /// Method and path, as people write them.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The body that the document gives as an example, if the route takes one.
    pub fn example(&self) -> Option<Value> {
        let schema = &self.described["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            return None;
        }
        let example = &self.resolved(schema)["examples"][0];
        assert!(!example.is_null(), "{} has no example", self.name());
        Some(example.clone())
    }

    /// The CSV that the document gives as an example, if that is all that the route takes.
    pub fn csv_example(&self) -> Option<&str> {
        let content = &self.described["requestBody"]["content"];
        content["application/json"].is_null().then(|| content["text/csv"]["example"].as_str()).flatten()
    }

    /// The parameters of the query that it needs, each with its example.
    pub fn needed_query(&self) -> String {
        let parameters = self.described["parameters"].as_array().into_iter().flatten();
        let needed = parameters.filter(|parameter| parameter["in"] == "query" && parameter["required"] == true);
        let example = |parameter: &Value| {
            let example = parameter["schema"]["examples"][0].as_str().expect("a needed parameter has an example");
            format!("{}={example}", parameter["name"].as_str().expect("a parameter has a name"))
        };
        needed.map(example).collect::<Vec<_>>().join("&")
    }

    /// The codes of its errors.
    pub fn codes(&self) -> Vec<&str> {
        let responses = self.described["responses"].as_object().into_iter().flat_map(Map::values);
        let named = responses.filter_map(|response| response["content"]["application/json"]["examples"].as_object());
        named.flat_map(Map::keys).map(String::as_str).collect()
    }

    /// What is wrong with the body of a request, if anything.
    pub fn fault_of_request(&self, body: &Value) -> Option<String> {
        self.fault(&self.described["requestBody"]["content"]["application/json"]["schema"], body)
    }

    /// Makes sure that the document allows this answer: its status, its code and its body.
    ///
    /// # Panics
    /// If it does not.
    pub fn assert_allows(&self, reply: &Reply) {
        let response = &self.described["responses"][reply.status.as_str()];
        assert!(!response.is_null(), "{} does not say that it answers {}: {}", self.name(), reply.status, reply.text);
        let media_type = reply.header("content-type");
        let text = if media_type == "application/json" { reply.json.clone() } else { json!(reply.text) };
        let fault = self.fault(&response["content"][media_type]["schema"], &text);
        assert!(fault.is_none(), "{} answered {} {}: {fault:?}", self.name(), reply.status, reply.text);
        let described = |name: &str| {
            response["headers"]
                .as_object()
                .is_some_and(|headers| headers.keys().any(|known| known.eq_ignore_ascii_case(name)))
        };
        let own = reply.headers.keys().map(HeaderName::as_str).filter(|name| !OF_EVERY_SERVER.contains(name));
        let unknown: Vec<&str> = own.filter(|name| !described(name)).collect();
        assert!(unknown.is_empty(), "{} answered {} with {unknown:?}", self.name(), reply.status);
    }

    fn resolved<'b>(&'b self, schema: &'b Value) -> &'b Value {
        match schema["$ref"].as_str() {
            Some(reference) => {
                &self.document["components"]["schemas"][reference.rsplit('/').next().unwrap_or_default()]
            }
            None => schema,
        }
    }

    fn fault(&self, schema: &Value, instance: &Value) -> Option<String> {
        let whole = json!({"components": self.document["components"], "allOf": [schema]});
        let validator = jsonschema::draft7::new(&whole).expect("a document holds JSON Schemas");
        validator.validate(instance).err().map(|error| format!("{error} at {}", error.instance_path()))
    }
}

/// The documents of all services.
pub async fn documents(api: impl Fn(Service) -> Api) -> Vec<(Service, Document)> {
    let mut documents = Vec::new();
    for service in Service::ALL {
        documents.push((service, Document::of(&api(service)).await));
    }
    documents
}

/// Puts `values` in the places of those members of `body` that have their names, however deep they stand.
pub fn fill(body: &mut Value, values: &Map<String, Value>) {
    match body {
        Value::Object(members) => {
            for (name, value) in members {
                match values.get(name) {
                    Some(given) => value.clone_from(given),
                    None => fill(value, values),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, values)),
        _ => {}
    }
}
