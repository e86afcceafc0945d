//! What every route refuses, whatever it does: each operation of the services' own descriptions is asked for it.

use common::client::http_client;
use lab::{wallet::Service, world::World};
use reqwest::Method;
use serde_json::{Value, json};

/// One operation of a service.
struct Operation {
    service: Service,
    method: Method,
    path: String,
    takes_body: bool,
    /// In place of a body, or beside it.
    takes_file: bool,
}

async fn operations(world: &World) -> Vec<Operation> {
    let mut operations = Vec::new();
    for service in Service::ALL {
        let document = world.service(service).get("/openapi.json").await.expect(200).json;
        for (path, methods) in document["paths"].as_object().unwrap() {
            // payment requests are known by 32 digits
            let id = if path.starts_with("/payment-requests") { "0".repeat(32) } else { "1".to_owned() };
            for (method, operation) in methods.as_object().unwrap() {
                operations.push(Operation {
                    service,
                    method: Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(),
                    path: path.replace("{id}", &id).replace("{user_id}", "1"),
                    takes_body: !operation["requestBody"]["content"]["application/json"].is_null(),
                    takes_file: !operation["requestBody"]["content"]["text/csv"].is_null(),
                });
            }
        }
    }
    operations
}

/// Sends a request as a service and returns the status, the code and the fields of the answer.
async fn answer(
    world: &World,
    operation: &Operation,
    query: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, Value) {
    let url = format!("{}{}{query}", world.wallet.url(operation.service), operation.path);
    let mut request = http_client().request(operation.method.clone(), url).body(body.to_owned());
    request = request.header("x-service-token", world.wallet.service_token());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn every_route_refuses_what_it_does_not_know_and_does_nothing() {
    let world = World::start().await;
    let ani = world.user(1_000).await;
    let operations = operations(&world).await;
    assert!(operations.len() > 40, "the descriptions have {} operations", operations.len());
    for operation in &operations {
        let name = format!("{} {}", operation.method, operation.path);
        let is_watched = ["/health", "/ready", "/metrics"].contains(&operation.path.as_str());
        let (status, refused) = answer(&world, operation, "?surprise=1", &[JSON], "").await;
        if !is_watched {
            let said = (status, &refused["fields"]["surprise"]);
            assert_eq!(said, (400, &json!("is not known here")), "{name}: {refused}");
        }
        if operation.takes_body {
            for list in ["[]", "[5]", "[1, 2, 7, \"d\", true]", "[\"ani@example.com\", \"password123\"]", "null", "7"] {
                let (status, refused) = answer(&world, operation, "", &[JSON], list).await;
                assert_eq!((status, &refused["code"]), (400, &json!("invalid_body")), "{name} {list}: {refused}");
            }
            let (_, refused) = answer(&world, operation, "", &[JSON], r#"{"surprise": 1, "sur\u0070rise": 2}"#).await;
            assert_eq!(refused["fields"]["surprise"], "is not known here", "{name}: {refused}");
            let (status, refused) = answer(&world, operation, "", &[JSON], "{\n\"a\" 1}").await;
            let place = (&refused["code"], &refused["line"], &refused["column"]);
            assert_eq!((status, place), (400, (&json!("malformed_json"), &json!(2), &json!(5))), "{name}: {refused}");
            for coding in ["gzip", "br", "identity, deflate"] {
                let (status, refused) =
                    answer(&world, operation, "", &[JSON, ("content-encoding", coding)], "{}").await;
                assert_eq!((status, &refused["code"]), (415, &json!("unsupported_encoding")), "{name} {coding}");
            }
            let (status, _) = answer(&world, operation, "", &[JSON, ("content-encoding", "identity")], "{}").await;
            assert_ne!(status, 415, "{name}");
        } else if operation.takes_file {
            let (status, refused) = answer(&world, operation, "", &[JSON], "{}").await;
            assert_eq!((status, &refused["code"]), (415, &json!("unsupported_media_type")), "{name}: {refused}");
        } else if !is_watched {
            let (status, refused) = answer(&world, operation, "", &[JSON], r#"{"force": true}"#).await;
            assert_eq!((status, &refused["code"]), (400, &json!("unknown_field")), "{name}: {refused}");
        }
    }
    assert_eq!(world.balance(&ani).await, (1_000, 0));
    let transactions = world.service(Service::Transaction).get("/transactions").await.expect(200);
    assert_eq!(transactions.json, json!([]));
    world.assert_ledger_holds().await;
}

#[tokio::test]
async fn every_fault_of_a_request_is_named_at_once() {
    let world = World::start().await;
    let transactions = world.service(Service::Transaction).as_service();
    let body = json!({"sender_id": 0, "receiver_id": "2", "amount": "10.000", "description": 7, "auto_complete": "yes", "x": 1});
    let refused = transactions.post("/transactions", body).await.expect_error(400, "invalid_value");
    let fields = refused["fields"].as_object().unwrap();
    let mut names: Vec<&str> = fields.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["amount", "auto_complete", "description", "receiver_id", "sender_id", "x"]);
    let refused = transactions.get("/transactions?limit=0&cursor=x&from=y&min_amount=-1&status=z").await;
    assert_eq!(refused.expect(400)["fields"].as_object().unwrap().len(), 5);
    let register = json!({"full_name": "", "email": "x", "password": "short"});
    let refused = world.service(Service::User).post("/auth/register", register).await.expect(400);
    assert_eq!(refused["fields"].as_object().unwrap().len(), 3);

    // absent and null are the same, on POST and on PUT
    let (ani, budi) = (world.user(1_000).await, world.user(0).await);
    let body =
        json!({"sender_id": ani.id, "receiver_id": budi.id, "amount": 1, "description": null, "auto_complete": null});
    let made = transactions.post("/transactions", body).await.expect(201);
    assert_eq!((&made["status"], &made["description"]), (&json!("pending"), &json!("")));
    let path = format!("/transactions/{}", made.id());
    let changed = transactions.put(&path, json!({"status": null, "description": "Lunch\nand tea"})).await.expect(200);
    assert_eq!(changed["description"], "Lunch\nand tea");
}
