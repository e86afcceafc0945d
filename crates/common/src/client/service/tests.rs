use std::time::Instant;

use axum::{Router, http::Uri, routing::get};
use futures::future::join_all;
use lab::{http::serve, ports::free_port};
use tokio::net::TcpListener;

use super::*;

fn client(instances: impl IntoIterator<Item = SocketAddr>) -> ServiceClient {
    let base = "http://user-service:5001".parse().unwrap();
    let instances = Some(Instances::fixed(instances));
    let (token, name, service) = (String::new().into(), "a-test", "user-service");
    ServiceClient(Arc::new(Inner { http: http_client(), base, instances, token, name, service }))
}

/// An instance that answers with the name by which it is called.
async fn sound() -> SocketAddr {
    let name = async |headers: HeaderMap, _: Uri| axum::Json(headers[HOST].to_str().unwrap().to_owned());
    let url = serve(Router::new().route("/name", get(name).post(name))).await;
    url.trim_start_matches("http://").parse().unwrap()
}

/// One that takes connections and is never heard of again, as if its process had been stopped.
async fn frozen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn ask(client: &ServiceClient) -> Result<String, CallError> {
    let request = client.request(Method::POST, "/name").json(&()).build().unwrap();
    let (_, _, body) = client.ask(request).await?;
    Ok(serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn an_instance_that_is_frozen_holds_a_call_up_once_and_the_next_ones_not_at_all() {
    let (_listener, frozen) = frozen().await;
    let client = client([frozen, sound().await]);
    let begun = Instant::now();
    for answer in join_all((0..10).map(|_| ask(&client))).await {
        assert_eq!(answer.unwrap(), "user-service:5001");
    }
    assert!((SILENCE..SILENCE * 4).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    let begun = Instant::now();
    for _ in 0..10 {
        ask(&client).await.unwrap();
    }
    assert!(begun.elapsed() < SILENCE, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_instance_that_is_gone_costs_nothing_and_without_any_nothing_was_sent() {
    let gone = || SocketAddr::from(([127, 0, 0, 1], free_port()));
    let some = client([gone(), gone(), sound().await]);
    let begun = Instant::now();
    for _ in 0..10 {
        ask(&some).await.unwrap();
    }
    assert!(begun.elapsed() < SILENCE, "{:?}", begun.elapsed());
    let none = client([gone(), gone()]);
    for _ in 0..2 {
        assert!(matches!(ask(&none).await, Err(CallError::NotReached { .. })));
    }
}

/// One that breaks connections once a request has come.
async fn broken() -> SocketAddr {
    let (listener, broken) = frozen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.readable().await.ok();
            drop(stream);
        }
    });
    broken
}

/// One that refuses what it is asked.
async fn refusing() -> SocketAddr {
    let refuse = async || StatusCode::BAD_REQUEST;
    let url = serve(Router::new().route("/name", get(refuse).post(refuse))).await;
    url.trim_start_matches("http://").parse().unwrap()
}

#[tokio::test]
async fn that_one_refuses_does_not_say_what_another_has_done() {
    let gone = SocketAddr::from(([127, 0, 0, 1], free_port()));
    // the second one is asked first
    for (instances, is_known) in [(vec![refusing().await, broken().await], false), (vec![refusing().await, gone], true)]
    {
        let client = client(instances);
        let request = client.request(Method::POST, "/name").json(&()).build().unwrap();
        match client.ask(request).await {
            Ok((StatusCode::BAD_REQUEST, ..)) => assert!(is_known),
            Err(CallError::Unknown { .. }) => assert!(!is_known),
            other => panic!("{other:?}"),
        }
    }
    // one that is slow may still do it, and is waited for
    let slow = async || {
        sleep(SILENCE * 2).await;
        axum::Json("done")
    };
    let url = serve(Router::new().route("/name", get(slow).post(slow))).await;
    let slow = url.trim_start_matches("http://").parse().unwrap();
    let client = client([refusing().await, slow]);
    assert_eq!(ask(&client).await.unwrap(), "done");
    let read = client.request(Method::GET, "/name").build().unwrap();
    assert!(client.ask(read).await.is_ok(), "whoever only reads takes the first answer");
}

#[tokio::test]
async fn what_may_have_arrived_somewhere_is_not_known_although_another_is_gone() {
    let broken = broken().await;
    let gone = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let client = client([broken, gone]);
    for _ in 0..2 {
        assert!(matches!(ask(&client).await, Err(CallError::Unknown { .. })));
    }
}
