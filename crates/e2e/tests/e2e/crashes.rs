//! A kill between any two commits: the money is right and the transaction comes to its end.

use std::time::{Duration, Instant};

use lab::{
    http::eventually,
    proxy::{Mode, Proxy},
    wallet::Service,
    world::{World, payment},
};
use reqwest::Method;
use serde_json::json;

/// How soon after a restart a transaction is settled.
const SETTLES_WITHIN: Duration = Duration::from_secs(5);

/// A world whose transaction-service reaches user-service through a proxy.
async fn world_with_proxy() -> (World, Proxy) {
    let mut world = World::start().await;
    let proxy = Proxy::start(&world.wallet.url(Service::User)).await;
    world.wallet.set(Service::Transaction, "USER_SERVICE_URL", &proxy.url());
    world.wallet.stop_one(Service::Transaction).await;
    world.wallet.start_again(Service::Transaction).await.unwrap();
    (world, proxy)
}

#[tokio::test]
async fn a_transaction_service_killed_after_the_hold_settles_after_its_restart() {
    let (mut world, proxy) = world_with_proxy().await;
    let (ani, budi) = (world.user(100).await, world.user(0).await);

    // The hold is applied, and its outcome never arrives.
    proxy.set(Mode::SwallowAnswers);
    let api = world.service(Service::Transaction).keyed("interrupted");
    let body = payment(&ani, &budi, 60).to_string();
    let request = tokio::spawn(async move { api.try_send(Method::POST, "/transactions", Some(body)).await });
    eventually("the hold", async || (world.balance(&ani).await == (40, 60)).then_some(())).await;
    world.wallet.kill(Service::Transaction);
    assert!(request.await.unwrap().is_err(), "the client gets no answer");

    proxy.set(Mode::Pass);
    world.wallet.start_again(Service::Transaction).await.unwrap();
    let restarted = Instant::now();
    let id = eventually("the transaction", async || {
        let list = world.service(Service::Transaction).get("/transactions?status=pending").await;
        list.json[0]["id"].as_i64()
    })
    .await;
    assert!(restarted.elapsed() < SETTLES_WITHIN, "it took {:?}", restarted.elapsed());
    assert_eq!(world.balance(&ani).await, (40, 60));

    // The client asks again with its key, and gets the answer that it missed.
    let again = world.service(Service::Transaction).keyed("interrupted");
    let answer = again.post("/transactions", payment(&ani, &budi, 60)).await.expect(201);
    assert_eq!((answer.id(), answer["status"].as_str()), (id, Some("pending")));
    assert_eq!(world.decide(id, "completed").await.expect(200)["status"], "completed");
    assert_eq!((world.balance(&ani).await, world.balance(&budi).await), ((40, 0), (60, 0)));
    world.assert_ledger_holds().await;
    world.assert_everything_told().await;
}

#[tokio::test]
async fn a_user_service_killed_right_after_its_commit_pays_once() {
    let (mut world, proxy) = world_with_proxy().await;
    let (ani, budi) = (world.user(100).await, world.user(0).await);

    // The transfer is committed, and user-service dies before the answer is out.
    proxy.set(Mode::SwallowAnswers);
    let api = world.service(Service::Transaction);
    let mut body = payment(&ani, &budi, 60);
    body["auto_complete"] = json!(true);
    let request = tokio::spawn(async move { api.post("/transactions", body).await });
    eventually("the transfer", async || (world.balance(&budi).await == (60, 0)).then_some(())).await;
    world.wallet.kill(Service::User);

    // Unknown is not failure: the transaction is still open.
    let answer = request.await.unwrap().expect(202);
    assert_eq!(answer["status"], "processing");

    proxy.set(Mode::Pass);
    world.wallet.start_again(Service::User).await.unwrap();
    let restarted = Instant::now();
    assert_eq!(world.settled(answer.id()).await, "completed");
    assert!(restarted.elapsed() < SETTLES_WITHIN, "it took {:?}", restarted.elapsed());
    assert_eq!((world.balance(&ani).await, world.balance(&budi).await), ((40, 0), (60, 0)));
    world.assert_ledger_holds().await;
    world.assert_everything_told().await;
    assert_eq!(world.told(&budi).await, ["You have received Rp 60."]);
}

#[tokio::test]
async fn an_answer_lost_on_the_way_is_asked_for_again_at_once() {
    let (world, proxy) = world_with_proxy().await;
    let (ani, budi) = (world.user(100).await, world.user(0).await);
    proxy.set(Mode::CutAnswers);
    let open = world.pay(&ani, &budi, 60).await.expect(202).id();
    proxy.set(Mode::Pass);
    assert_eq!(world.settled(open).await, "pending");
    proxy.set(Mode::CutAnswers);
    let _ = world.decide(open, "cancelled").await.expect(202);
    let _ = world.decide(open, "completed").await.expect_error(409, "transaction_in_progress");
    proxy.set(Mode::Pass);
    assert_eq!(world.settled(open).await, "cancelled");
    assert_eq!((world.balance(&ani).await, world.balance(&budi).await), ((100, 0), (0, 0)));
    world.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_user_service_that_is_down_fails_the_payment_and_frees_its_key() {
    let mut world = World::start().await;
    let (ani, budi) = (world.user(100).await, world.user(0).await);
    world.wallet.kill(Service::User);
    let api = world.service(Service::Transaction).keyed("later");
    let refused = api.post("/transactions", payment(&ani, &budi, 60)).await.expect_error(503, "service_unavailable");
    assert!(!refused.header("retry-after").is_empty());
    world.wallet.start_again(Service::User).await.unwrap();
    assert_eq!(world.balance(&ani).await, (100, 0));
    assert_eq!(api.post("/transactions", payment(&ani, &budi, 60)).await.expect(201)["status"], "pending");
    assert_eq!(world.balance(&ani).await, (40, 60));
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_leave_a_payment_half_done() {
    let world = World::start().await;
    let (ani, budi) = (world.user(10_000).await, world.user(0).await);
    let url = world.wallet.url(Service::Transaction);
    let address = url.trim_start_matches("http://");
    let mut body = payment(&ani, &budi, 10);
    body["auto_complete"] = json!(true);
    let body = body.to_string();
    for _ in 0..50 {
        use tokio::io::AsyncWriteExt;
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /transactions HTTP/1.1\r\nhost: wallet\r\nx-service-token: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            world.wallet.service_token(),
            body.len()
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        drop(socket); // before the answer
    }
    // a request may arrive long after its client has gone, so all is looked at together
    eventually("every payment that arrived to end", async || {
        let open = world.service(Service::Transaction).get("/transactions?status=processing").await;
        let done = world.service(Service::Transaction).get("/transactions?status=completed&limit=200").await;
        let paid = i64::try_from(done.json.as_array()?.len()).ok()? * 10;
        let balances = (world.balance(&ani).await, world.balance(&budi).await);
        (open.json == json!([]) && balances == ((10_000 - paid, 0), (paid, 0))).then_some(())
    })
    .await;
    world.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_pending_transaction_expires() {
    let world = World::start_with(&[(Service::Transaction, "PENDING_TTL", "1")]).await;
    let (ani, budi) = (world.user(100).await, world.user(0).await);
    let id = world.pay(&ani, &budi, 60).await.expect(201).id();
    eventually("the expiry", async || (world.status(id).await == "cancelled").then_some(())).await;
    assert_eq!(world.balance(&ani).await, (100, 0));
    let _ = world.decide(id, "completed").await.expect_error(409, "illegal_status_change");
}

#[tokio::test]
async fn a_service_that_is_told_to_stop_ends_in_good_order() {
    let mut world = World::start().await;
    for service in Service::ALL {
        let status = world.wallet.stop_one(service).await.expect("it ran");
        assert_eq!(status.code(), Some(0), "{}", service.name());
    }
}
