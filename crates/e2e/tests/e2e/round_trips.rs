//! How often the services wait for their database, one after the other, until a request is answered. With a database across a
//! network, that is what a request takes.

use lab::{
    database,
    proxy::Proxy,
    wallet::Service,
    world::{World, payment},
};
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

/// Requests of each kind: workers read at the same time, and the fewest round trips of all are those of the request alone.
const REPETITIONS: usize = 40;

/// The fewest round trips that anything `asked` took.
async fn fewest(proxy: &Proxy, mut asked: impl AsyncFnMut()) -> usize {
    let mut fewest = usize::MAX;
    for _ in 0..REPETITIONS {
        let before = proxy.requests();
        asked().await;
        fewest = fewest.min(proxy.requests() - before);
    }
    fewest
}

/// A proxy before the database, and what makes all services go through it.
async fn proxied() -> (Proxy, Vec<(Service, &'static str, String)>) {
    let proxy = Proxy::before(vec![database::admin().address()]).await;
    let port = proxy.port().to_string();
    let settings = Service::ALL
        .into_iter()
        .flat_map(|service| [(service, "DB_HOST", "127.0.0.1".to_owned()), (service, "DB_PORT", port.clone())]);
    (proxy, settings.collect())
}

#[tokio::test]
async fn an_idle_wallet_leaves_its_database_alone() {
    const SECONDS: usize = 8;
    let (proxy, settings) = proxied().await;
    let settings: Vec<_> = settings.iter().map(|(service, name, value)| (*service, *name, &**value)).collect();
    let world = World::start_with(&settings).await;
    let ani = world.user(100).await;
    // what it has to do with that user is done by then
    sleep(Duration::from_secs(3)).await;
    let before = proxy.requests();
    sleep(Duration::from_secs(SECONDS as u64)).await;
    let asked = proxy.requests() - before;
    assert!(asked > 0, "the proxy is before the database");
    assert!(asked <= 5 * SECONDS, "{asked} in {SECONDS} s");
    drop(ani);
}

#[tokio::test]
async fn each_request_waits_for_the_database_as_seldom_as_it_can() {
    let (proxy, settings) = proxied().await;
    let settings: Vec<_> = settings.iter().map(|(service, name, value)| (*service, *name, &**value)).collect();
    let world = World::start_with(&settings).await;
    let (ani, budi) = (world.user(1_000_000).await, world.user(0).await);
    let transactions = world.service(Service::Transaction);
    let users = world.service(Service::User);

    let at_once = {
        let mut body = payment(&ani, &budi, 1);
        body["auto_complete"] = json!(true);
        body
    };
    let one_step = fewest(&proxy, async || {
        let _ = transactions.post("/transactions", at_once.clone()).await.expect(201);
    });
    assert_eq!(one_step.await, 5, "the intent, its commit, the locks, the money, the outcome");

    let mut pending = Vec::new();
    let hold = fewest(&proxy, async || {
        pending.push(transactions.post("/transactions", payment(&ani, &budi, 1)).await.expect(201).id());
    });
    assert_eq!(hold.await, 5, "the intent, its commit, the locks, the money, the outcome");
    let decision = fewest(&proxy, async || {
        let id = pending.pop().expect("one for each repetition");
        let _ = world.decide(id, "completed").await.expect(200);
    });
    assert_eq!(decision.await, 5, "the transaction, the decision, the locks, the money, the outcome");

    let top_up = format!("/users/{}/topup", ani.id);
    let topped_up = fewest(&proxy, async || {
        let _ = users.post(&top_up, json!({"amount": 1})).await.expect(200);
    });
    assert_eq!(topped_up.await, 2, "the lock, the money");
    let balance = format!("/users/{}/balance", ani.id);
    let read = fewest(&proxy, async || {
        let _ = users.get(&balance).await.expect(200);
    });
    assert_eq!(read.await, 1);
}
