//! Several replicas of a service behind the gateway, as containers have them: one name with several addresses, which change.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Json, Router, http::HeaderMap, routing::any};
use lab::{
    gateway::{Gateway, Options},
    http::eventually,
    ports::free_port,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, UdpSocket},
    task::JoinHandle,
    time::{sleep, timeout},
};

/// The addresses that a name has at the moment.
type Addresses = Arc<Mutex<Vec<Ipv4Addr>>>;

/// A DNS server (RFC 1035) that has the same addresses for every name.
async fn name_server(addresses: Addresses) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut question = [0; 512];
        while let Ok((length, asker)) = socket.recv_from(&mut question).await {
            let found = addresses.lock().unwrap().clone();
            let mut answer = question[..length].to_vec();
            // a response without error, with so many answers, each for the name that stands at byte 12
            answer[2..4].copy_from_slice(&[0x81, 0x80]);
            answer[6..12].copy_from_slice(&[0, u8::try_from(found.len()).unwrap(), 0, 0, 0, 0]);
            for address in found {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
                answer.extend(address.octets());
            }
            socket.send_to(&answer, asker).await.ok();
        }
    });
    address
}

/// A service that tells its name and what it was asked.
async fn replica(address: Ipv4Addr, port: u16) -> JoinHandle<()> {
    let listener = TcpListener::bind((address, port)).await.unwrap();
    let tell = move |headers: HeaderMap| async move {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let names = ["traceparent", "x-forwarded-for", "x-forwarded-proto", "x-request-id", "authorization"];
        let told: Value = names.into_iter().map(|name| (name.to_owned(), json!(header(name)))).collect();
        Json(json!({"replica": address.to_string(), "headers": told}))
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(any(tell))).await.unwrap() })
}

#[tokio::test]
async fn replicas_come_and_go_and_no_request_is_lost() {
    let [first, second, third] = [11, 12, 13].map(|n| Ipv4Addr::new(127, 0, 0, n));
    let port = free_port();
    let addresses: Addresses = Arc::new(Mutex::new(vec![first, second]));
    let one = replica(first, port).await;
    let _two = replica(second, port).await;
    let resolver = name_server(addresses.clone()).await;
    let services = [0; 4].map(|_| format!("http://service.internal:{port}"));
    let gateway = Gateway::start(&Options { resolver, ..Options::before(services) }).await.unwrap();
    let api = gateway.api();
    let answered_by =
        async || api.post("/transactions", json!({})).await.expect(200)["replica"].as_str().unwrap().to_owned();

    for replica in [first, second] {
        eventually("each replica to be asked", async || (answered_by().await == replica.to_string()).then_some(()))
            .await;
    }
    // one is gone, and its address is still known: a connection that does not come about has brought nothing there
    one.abort();
    one.await.ok();
    for _ in 0..20 {
        assert_eq!(answered_by().await, second.to_string());
    }
    let _three = replica(third, port).await;
    *addresses.lock().unwrap() = vec![second, third];
    eventually("the new replica to be asked", async || (answered_by().await == third.to_string()).then_some(())).await;
}

/// How long a request may wait for a replica that is frozen.
const BOUND: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_replica_that_is_frozen_is_passed_over_where_a_request_may_be_sent_twice() {
    let [first, second] = [21, 22].map(|n| Ipv4Addr::new(127, 0, 0, n));
    let port = free_port();
    // the system takes connections for it, as for a process that was stopped
    let _frozen = TcpListener::bind((first, port)).await.unwrap();
    let _sound = replica(second, port).await;
    let resolver = name_server(Arc::new(Mutex::new(vec![first, second]))).await;
    let services = [0; 4].map(|_| format!("http://service.internal:{port}"));
    let gateway = Gateway::start(&Options { resolver, ..Options::before(services) }).await.unwrap();
    let api = gateway.api();
    for n in 0..4 {
        let begun = Instant::now();
        let keyed = api.keyed(&n.to_string());
        let (got, paid, decided) = tokio::join!(
            api.get("/users/1/balance"),
            keyed.post("/transactions", json!({})),
            api.put("/transactions/1", json!({}))
        );
        for reply in [got, paid, decided] {
            assert_eq!(reply.expect(200)["replica"], second.to_string());
        }
        assert!(begun.elapsed() < BOUND, "{:?}", begun.elapsed());
    }
    // what has no key may have been done, and what is done twice is answered in another way: it waits for its answer
    let keyed = api.keyed("key");
    for (caller, method, path) in [
        (&api, Method::POST, "/transactions"),
        (&api, Method::DELETE, "/transactions/1"),
        (&api, Method::PUT, "/users/1"),
        (&keyed, Method::POST, "/users"),
        (&keyed, Method::POST, "/payment-requests/1/decline"),
    ] {
        let mut asked = 1;
        while timeout(BOUND, caller.send(method.clone(), path, Some("{}".to_owned()))).await.is_ok() {
            asked += 1;
            assert!(asked < 30, "{method} {path} never waits");
        }
    }
}

#[tokio::test]
async fn what_takes_long_everywhere_is_answered_all_the_same() {
    let port = free_port();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let slow = async || {
        sleep(BOUND).await;
        "slow"
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(any(slow))).await.unwrap() });
    let services = [0; 4].map(|_| format!("http://127.0.0.1:{port}"));
    let gateway = Gateway::start(&Options::before(services)).await.unwrap();
    assert_eq!(gateway.api().get("/summaries/user/1").await.expect(200).text, "slow");
}

#[tokio::test]
async fn a_service_hears_who_asks_and_in_which_trace() {
    let port = free_port();
    let _replica = replica(Ipv4Addr::LOCALHOST, port).await;
    let services = [0; 4].map(|_| format!("http://127.0.0.1:{port}"));
    let gateway = Gateway::start(&Options::before(services)).await.unwrap();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let api = gateway.api().as_user("token").with("traceparent", trace).with("x-request-id", "mine");
    let api = api.with("x-forwarded-for", "198.51.100.1").with("x-forwarded-proto", "http");
    let heard = api.get("/users").await.expect(200);
    assert_eq!(
        heard["headers"],
        json!({"traceparent": trace, "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "https", "x-request-id": "mine",
            "authorization": "Bearer token"})
    );
}
