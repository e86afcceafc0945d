//! What the services say of themselves.

use std::{collections::BTreeSet, fs};

use lab::{
    browser,
    document::{Document, Operation, documents},
    node::{node_program, node_tools},
    sources::error_codes,
    wallet::Service,
    workspace_root,
    world::World,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

/// Codes of the router, which no route has.
const OF_NO_ROUTE: [&str; 5] =
    ["route_not_found", "method_not_allowed", "malformed_request", "uri_too_long", "headers_too_large"];
/// Routes that every service has.
const OF_EVERY_SERVICE: [&str; 3] = ["GET /health", "GET /metrics", "GET /ready"];
/// Requests of the collection whose bodies, or a part of them, are wrong on purpose.
const WRONG_ON_PURPOSE: [&str; 3] = ["Unknown Field", "Invalid Amount", "Create Batch"];

#[tokio::test]
async fn the_documents_name_every_code() {
    let world = World::start().await;
    let documents = documents(|service| world.api(service)).await;
    let all = documents.iter().flat_map(|(_, document)| document.operations());
    let named: BTreeSet<String> =
        all.flat_map(|o| o.codes().into_iter().map(str::to_owned).collect::<Vec<_>>()).collect();
    let known: BTreeSet<String> = error_codes()
        .unwrap()
        .into_iter()
        .map(|(_, name)| name)
        .filter(|name| !OF_NO_ROUTE.contains(&&**name))
        .collect();
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
        if let Some(body) = request["body"]["raw"].as_str().filter(|_| operation.csv_example().is_none()) {
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

#[tokio::test]
async fn both_readmes_list_every_public_route_and_no_other() {
    let world = World::start().await;
    let described: BTreeSet<String> = documents(|service| world.api(service))
        .await
        .iter()
        .flat_map(|(_, document)| document.operations().iter().map(Operation::name).collect::<Vec<_>>())
        .filter(|name| !name.contains(" /internal/") && !OF_EVERY_SERVICE.contains(&&**name))
        .collect();
    for page in ["README.md", "README.id.md"] {
        let page = fs::read_to_string(workspace_root().join(page)).unwrap();
        let routes = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let listed: BTreeSet<String> = routes.filter(|route| route.contains(" /")).map(str::to_owned).collect();
        assert_eq!(listed, described);
    }
}

#[tokio::test]
async fn the_page_of_each_service_works_in_a_browser_without_any_other_server() {
    let world = World::start().await;
    let programs = tokio::task::spawn_blocking(|| {
        let progress = |step: &str| eprintln!("{step}");
        (browser::chromium(&progress).unwrap(), node_tools(&progress).unwrap(), node_program().unwrap())
    });
    let (chromium, tools, node) = programs.await.unwrap();
    let urls = Service::ALL.map(|service| world.wallet.url(service));
    let visits = Command::new(node).arg(tools.join("docs.js")).arg(chromium).args(&urls).output().await.unwrap();
    assert!(visits.status.success(), "{}", String::from_utf8_lossy(&visits.stderr));
    let visits = String::from_utf8(visits.stdout).unwrap();
    assert_eq!(visits.lines().count(), Service::ALL.len());
    for (visit, service) in visits.lines().zip(Service::ALL) {
        let visit: Value = serde_json::from_str(visit).unwrap();
        let (answered, answer) = (&visit["status"], visit["answer"].as_str().unwrap());
        let operations = Document::of(&world.api(service)).await.operations().len();
        assert_eq!((&visit["title"], answered), (&json!(service.name()), &json!("200")), "{visit}");
        assert_eq!(serde_json::from_str::<Value>(answer).unwrap(), json!({"status": "ok", "service": service.name()}));
        assert_eq!(visit["operations"], operations);
        assert_eq!((&visit["strangers"], &visit["errors"]), (&json!([]), &json!([])), "{visit}");
        assert_eq!((&visit["current"], &visit["links"]), (&json!(service.name()), &json!(4)), "{visit}");
        assert_eq!((&visit["kept"], &visit["front"]), (&json!(true), &json!("/docs")), "{visit}");
        assert_ne!(visit["first"], "internal", "what people come for is shown first");
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
