//! What the services say of themselves.

use std::{collections::BTreeSet, fs};

use common::Code;
use e2e::{World, document::documents};
use harness::workspace_root;
use reqwest::Method;
use serde_json::Value;

/// Codes of the router, which no route has.
const OF_NO_ROUTE: [&str; 2] = ["route_not_found", "method_not_allowed"];
/// Requests of the collection whose bodies are wrong on purpose.
const WRONG_ON_PURPOSE: [&str; 2] = ["Unknown Field", "Invalid Amount"];

#[tokio::test]
async fn the_documents_name_every_code() {
    let world = World::start().await;
    let documents = documents(|service| world.api(service)).await;
    let all = documents.iter().flat_map(|(_, document)| document.operations());
    let named: BTreeSet<String> =
        all.flat_map(|o| o.codes().into_iter().map(str::to_owned).collect::<Vec<_>>()).collect();
    let known: BTreeSet<String> =
        Code::ALL.iter().map(|code| code.name().to_owned()).filter(|name| !OF_NO_ROUTE.contains(&&**name)).collect();
    assert_eq!(named, known);
}

#[tokio::test]
async fn the_collection_has_every_public_route_as_it_is_described() {
    let world = World::start().await;
    let documents = documents(|service| world.api(service)).await;
    let collection = fs::read_to_string(workspace_root().join("digital-wallet-collection.json")).unwrap();
    let collection: Value = serde_json::from_str(&collection).unwrap();
    let mut requests = Vec::new();
    gather(&collection["item"], &mut requests);

    let mut shown = BTreeSet::new();
    for (name, request) in requests {
        let method: Method = request["method"].as_str().unwrap().parse().unwrap();
        let url = request["url"]["raw"].as_str().unwrap();
        let (base, path) = url.strip_prefix("{{base_url_").and_then(|rest| rest.split_once("}}")).unwrap();
        let path = path.split('?').next().unwrap();
        let (service, document) = documents.iter().find(|(service, _)| service.name().starts_with(base)).unwrap();
        let operation = document.find(&method, path);
        let operation = operation.unwrap_or_else(|| panic!("{name}: {} has no {method} {path}", service.name()));
        shown.insert((service.name(), operation.name()));
        if let Some(body) = request["body"]["raw"].as_str() {
            let body = serde_json::from_str(&filled_in(body)).unwrap_or_else(|error| panic!("{name}: {error}"));
            let fault = operation.fault_of_request(&body);
            assert_eq!(fault.is_some(), WRONG_ON_PURPOSE.contains(&&*name), "{name}: {fault:?}");
        }
    }
    for (service, document) in &documents {
        for operation in document.operations().iter().filter(|operation| !operation.path.starts_with("/internal")) {
            let name = operation.name();
            assert!(
                shown.contains(&(service.name(), name.clone())),
                "the collection lacks {name} of {}",
                service.name()
            );
        }
    }
}

/// A body of the collection with something in the place of its variables.
fn filled_in(body: &str) -> String {
    let mut parts = body.split("{{");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (variable, rest) = part.split_once("}}").expect("a variable ends");
        let value = match variable {
            "password" => "password123",
            email if email.ends_with("email") => "john@example.com",
            _ => "1",
        };
        text + value + rest
    })
}

/// The requests below `items`, with their names.
fn gather(items: &Value, requests: &mut Vec<(String, Value)>) {
    for item in items.as_array().into_iter().flatten() {
        if item["request"].is_object() {
            requests.push((item["name"].as_str().unwrap_or_default().to_owned(), item["request"].clone()));
        }
        gather(&item["item"], requests);
    }
}
