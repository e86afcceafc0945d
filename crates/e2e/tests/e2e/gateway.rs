//! The one address before all services: what it shows and what it hides, whom it believes, and what it refuses.

use std::{fs, net::Ipv4Addr, time::Duration};

use common::{Code, codes};
use futures::future::join_all;
use lab::{
    document::documents,
    gateway::{Gateway, Options},
    http::{Api, Reply},
    server::Purpose,
    wallet::Service,
    world::{PASSWORD, World},
};
use reqwest::{Method, tls};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long a test waits for bytes.
const PATIENCE: Duration = Duration::from_secs(20);
/// The kind of a TLS record that ends a connection (RFC 8446), and the reason that there is no common version.
const ALERT: u8 = 21;
const PROTOCOL_VERSION: u8 = 70;

fn options(world: &World) -> Options {
    Options::before(Service::ALL.map(|service| world.wallet.url(service)))
}

async fn before(world: &World) -> Gateway {
    start(&options(world)).await
}

async fn start(options: &Options) -> Gateway {
    Gateway::start(options).await.unwrap_or_else(|error| panic!("no gateway: {error:#}"))
}

#[track_caller]
fn refused(answer: Reply, code: Code) -> Reply {
    let answer = answer.expect_error(code.status().as_u16(), code.name());
    assert_eq!(answer["error"], code.message(), "the gateway says it as the services do");
    assert_eq!(answer.header("x-request-id"), answer["request_id"]);
    assert_eq!(answer.header("content-type"), "application/json");
    answer
}

#[tokio::test]
async fn all_services_have_one_address() {
    let world = World::start().await;
    let gateway = start(&Options { lets_services_in: true, ..options(&world) }).await;
    let anyone = gateway.api();
    let service = anyone.clone().with("x-service-token", world.wallet.service_token());
    let registration =
        |name: &str| json!({"full_name": name, "email": format!("{name}@example.com"), "password": PASSWORD});
    let ani = anyone.post("/auth/register", registration("ani")).await.expect(201).id();
    let budi = anyone.post("/users", registration("budi")).await.expect(201).id();
    let login = json!({"email": "ani@example.com", "password": PASSWORD});
    let token = anyone.post("/auth/login", login).await.expect(200)["access_token"].as_str().unwrap().to_owned();
    let topped_up = anyone.as_user(&token).post(&format!("/users/{ani}/topup"), json!({"amount": 1000})).await;
    assert_eq!(topped_up.expect(200)["balance"], json!(1000));

    let payment = json!({"sender_id": ani, "receiver_id": budi, "amount": 400});
    let payment = service.post("/transactions", payment).await.expect(201).id();
    let completed = anyone.put(&format!("/transactions/{payment}"), json!({"status": "completed"})).await.expect(200);
    assert_eq!(completed["status"], "completed");
    assert_eq!(anyone.get(&format!("/users/{budi}/balance")).await.expect(200)["balance"], json!(400));
    let notification = json!({"user_id": ani, "message": "Hello"});
    let _ = service.post("/notifications", notification).await.expect(201);
    let report = json!({"user_id": ani, "transaction_id": payment});
    let _ = service.post("/reports", report).await.expect(201);
    assert_eq!(anyone.get(&format!("/summaries/user/{ani}")).await.expect(200)["total_transactions"], json!(1));
    let _ = service.post_empty("/sync/all").await.expect(200);

    // the page asks for the document beside it
    for service in Service::ALL {
        let page = anyone.get(&format!("/{}/docs", service.name())).await.expect(200);
        assert!(page.text.contains("\"openapi.json\"") || page.text.contains("'openapi.json'"), "{}", service.name());
        let document = anyone.get(&format!("/{}/openapi.json", service.name())).await.expect(200);
        assert_eq!(document["info"]["title"], service.name());
    }
    assert_eq!(anyone.get("/health").await.expect(200)["service"], "gateway");
    assert!(!gateway.log().contains("example.com"), "the log names no address: {}", gateway.log());
}

#[tokio::test]
async fn every_public_route_has_its_way_through_the_gateway_and_the_ingress() {
    let ingress = fs::read_to_string(lab::workspace_root().join("deploy/kubernetes/base/ingress.yaml")).unwrap();
    let world = World::start().await;
    let gateway = start(&Options { lets_services_in: true, ..options(&world) }).await;
    let service = gateway.api().with("x-service-token", world.wallet.service_token());
    for (_, document) in documents(|service| world.api(service)).await {
        for operation in document.operations() {
            let own = ["/internal/", "/health", "/ready", "/metrics", "/docs", "/openapi.json"];
            if own.iter().any(|path| operation.path.starts_with(path)) {
                continue;
            }
            // a path that is none of an id of its own: whoever answers is the service
            let path = ["{id}", "{user_id}", "{code}"]
                .iter()
                .fold(operation.path.to_owned(), |path, id| path.replace(id, "x"));
            let answer = service.send(operation.method.clone(), &path, Some("{}".into())).await;
            assert_ne!(answer["code"], "route_not_found", "{} {}", operation.method, operation.path);
            let first = operation.path.split('/').nth(1).unwrap_or_default();
            let line = format!("- path: /{first}\n");
            assert!(ingress.contains(&line), "the ingress has no {first}");
        }
    }
    // lists of payments are longer than other bodies
    let long = json!({"transactions": [{"description": "x".repeat(200_000)}]});
    let _ = service.post("/transactions/batch", long.clone()).await.expect(201);
    let _ = service.keyed("long").post("/transactions/batch", long).await.expect(201);
}

#[tokio::test]
async fn a_service_is_nobody_from_outside() {
    let world = World::in_production(Purpose::Use, &[]).await;
    let gateway = before(&world).await;
    let service = gateway.api().with("x-service-token", world.wallet.service_token());
    let _ = service.get("/users").await.expect_error(401, "missing_token");
    let notification = json!({"user_id": 1, "message": "Hello"});
    let _ = service.post("/notifications", notification).await.expect_error(401, "missing_service_token");
    let wrong = gateway.api().with("x-service-token", "a wrong one");
    let _ = wrong.get("/users").await.expect_error(401, "missing_token");
}

#[tokio::test]
async fn what_is_internal_is_not_there() {
    let world = World::start().await;
    let gateway = start(&Options { lets_services_in: true, ..options(&world) }).await;
    let service = gateway.api().with("x-service-token", world.wallet.service_token());
    for path in [
        "/",
        "/internal/users",
        "/internal/ledger/verify",
        "/internal/transactions",
        "/internal/users/..%2f..%2fusers",
        "/users/..%2finternal/users",
        "//internal/users",
        "/%69nternal/users",
        "/users%2f..%2finternal/users",
        "/metrics",
        "/ready",
        "/docs",
        "/user-service/metrics",
        "/user-service/internal/users",
        "/users/%0d%0aX-Service-Token:x",
        "/users/1%20/b%3Fx",
        "/internal/users/..%2f..%2fusers%2fx%20%2fb%3Fy",
        "/refused",
    ] {
        for method in [Method::GET, Method::POST, Method::PUT] {
            let answer = service.send(method, path, None).await;
            refused(answer, codes::ROUTE_NOT_FOUND);
        }
    }
}

#[tokio::test]
async fn what_is_refused_is_refused_as_the_services_do_it() {
    let world = World::start().await;
    let gateway = before(&world).await;
    let api = gateway.api();
    // a service's own answer passes as it is
    let unknown = refused(api.get("/users/999999").await, codes::USER_NOT_FOUND);
    assert_eq!(unknown.header("strict-transport-security"), "max-age=63072000");
    let named = api.clone().with("x-request-id", "what.I-call_it");
    for (path, code) in [("/users/999999", codes::USER_NOT_FOUND), ("/nothing", codes::ROUTE_NOT_FOUND)] {
        assert_eq!(refused(named.get(path).await, code)["request_id"], "what.I-call_it");
    }
    let strange = api.clone().with("x-request-id", "\"},{");
    assert_ne!(refused(strange.get("/nothing").await, codes::ROUTE_NOT_FOUND)["request_id"], "\"},{");
    let long = json!({"full_name": "x".repeat(70_000)});
    refused(api.post("/auth/register", long).await, codes::BODY_TOO_LARGE);
    let long = api.clone().with("x-long", &"x".repeat(20_000)).get("/users").await;
    let _ = long.expect_error(400, "malformed_body");
}

#[tokio::test]
async fn a_service_that_is_away_is_told_apart_from_one_that_may_have_done_it() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = format!("http://127.0.0.1:{}", lab::ports::free_port());
    let hangs_up = format!("http://{}", silent.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = silent.accept().await {
            let _some_of_it = connection.read_u8().await;
        }
    });
    let gateway = start(&Options::before([away.clone(), hangs_up, away.clone(), away])).await;
    let absent = refused(gateway.api().post("/users", json!({})).await, codes::SERVICE_UNAVAILABLE);
    assert_eq!(absent.header("retry-after"), "1");
    refused(gateway.api().post("/transactions", json!({})).await, codes::OUTCOME_UNKNOWN);
}

#[tokio::test]
async fn a_flood_is_stopped_before_it_reaches_a_service() {
    let world = World::start().await;
    let services = Service::ALL.map(|service| world.wallet.url(service));
    let gateway = start(&Options { rate: 5, ..Options::before(services) }).await;
    let flood = |api: Api| async move { join_all((0..40).map(|_| api.get("/users"))).await };
    let (let_through, stopped): (Vec<_>, Vec<_>) =
        flood(gateway.api()).await.into_iter().partition(|answer| answer.status == 200);
    assert!((6..20).contains(&let_through.len()), "{} were let through", let_through.len());
    for answer in stopped {
        assert_eq!(refused(answer, codes::RATE_LIMITED).header("retry-after"), "1");
    }
    // others go on
    let _ = gateway.api_from(Ipv4Addr::new(127, 0, 0, 2)).get("/users").await.expect(200);
}

#[tokio::test]
async fn services_believe_the_gateway_and_the_gateway_believes_nobody() {
    let mut variables = vec![(Service::Report, "RATE_LIMIT", "1")];
    variables.extend(Service::ALL.map(|service| (service, "TRUSTED_PROXIES", "127.0.0.1/32")));
    let world = World::start_with(&variables).await;
    let gateway = before(&world).await;
    // one address, whatever it says of itself: twice at once, then no more
    let mut limited = 0;
    for n in 0..6 {
        let disguised = gateway.api().with("x-forwarded-for", &format!("198.51.100.{n}"));
        limited += usize::from(disguised.get("/summaries/user/1").await.status == 429);
    }
    assert!(limited >= 3, "only {limited} of 6 requests were refused");
    // another address is another client, which the service knows from the gateway
    let other = gateway.api_from(Ipv4Addr::new(127, 0, 0, 2)).get("/summaries/user/1").await;
    assert_ne!(other.status, 429, "the answer was {}", other.text);
}

#[tokio::test]
async fn tls_is_new_enough() {
    let nowhere = [0; 4].map(|_| format!("http://127.0.0.1:{}", lab::ports::free_port()));
    let gateway = start(&Options::before(nowhere)).await;
    for version in [tls::Version::TLS_1_2, tls::Version::TLS_1_3] {
        let api = gateway.api_as(|client| client.tls_version_min(version).tls_version_max(version));
        let _ = api.get("/health").await.expect(200);
    }
    // a ClientHello of TLS 1.1 (RFC 4346) with an ECDHE-ECDSA and an ECDHE-RSA suite and no extension
    let mut hello = vec![22, 3, 1, 0, 49, 1, 0, 0, 45, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x09, 0xc0, 0x13, 1, 0]);
    hello[4] = u8::try_from(hello.len() - 5).unwrap();
    hello[8] = u8::try_from(hello.len() - 9).unwrap();
    let mut connection = TcpStream::connect(gateway.address()).await.unwrap();
    connection.write_all(&hello).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, connection.read_to_end(&mut answer)).await.expect("an answer in time").unwrap();
    assert_eq!((answer.first(), answer.last()), (Some(&ALERT), Some(&PROTOCOL_VERSION)), "{answer:?}");
}

#[tokio::test]
async fn whoever_never_finishes_a_request_is_cut_off() {
    let nowhere = [0; 4].map(|_| format!("http://127.0.0.1:{}", lab::ports::free_port()));
    let gateway = start(&Options::before(nowhere)).await;
    let mut silent = TcpStream::connect(gateway.address()).await.unwrap();
    let mut nothing = Vec::new();
    let ended = timeout(PATIENCE, silent.read_to_end(&mut nothing)).await;
    assert!(ended.is_ok(), "a connection that says nothing is kept for more than {PATIENCE:?}");
}
