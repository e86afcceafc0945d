//! Requests at the same time: each ends as if it had been alone, one after another.

use futures::future::join_all;
use lab::{
    wallet::Service,
    world::{World, payment},
};
use serde_json::json;

/// How many decisions race in pairs.
const RACES: usize = 200;

#[tokio::test]
async fn of_50_parallel_payments_that_the_balance_covers_once_exactly_one_succeeds() {
    let world = World::start().await;
    let (ani, budi) = (world.user(100).await, world.user(0).await);
    let api = world.service(Service::Transaction);
    let payments = (0..50).map(|n| {
        let (api, body) = (api.keyed(&format!("payment-{n}")), payment(&ani, &budi, 100));
        async move { api.post("/transactions", body).await }
    });
    let answers = join_all(payments).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for refused in answers.into_iter().filter(|answer| answer.status != 201) {
        let _ = refused.expect_error(400, "insufficient_balance");
    }
    assert_eq!(world.balance(&ani).await, (0, 100));
    world.assert_ledger_holds().await;
}

#[tokio::test]
async fn of_100_parallel_requests_with_one_key_one_transaction_comes() {
    let world = World::start().await;
    let (ani, budi) = (world.user(1_000).await, world.user(0).await);
    let api = world.service(Service::Transaction).keyed("the-only-one");
    let answers = join_all((0..100).map(|_| api.post("/transactions", payment(&ani, &budi, 10)))).await;
    let mut ids: Vec<i64> = Vec::new();
    for answer in answers {
        if answer.status == 409 {
            let _ = answer.expect_error(409, "request_in_progress");
        } else {
            ids.push(answer.expect(201).id());
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "all answers name one transaction");
    assert_eq!(world.balance(&ani).await, (990, 10));
    let again = api.post("/transactions", payment(&ani, &budi, 10)).await.expect(201);
    assert_eq!((again.id(), again.header("idempotent-replayed")), (ids[0], "true"));
    let _ = api.post("/transactions", payment(&ani, &budi, 11)).await.expect_error(422, "idempotency_key_reused");
    let list = world.service(Service::Transaction).get("/transactions").await.expect(200);
    assert_eq!(list.json.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn of_two_decisions_at_once_exactly_one_wins_and_the_money_agrees() {
    let world = World::start().await;
    let (ani, budi) = (world.user(1_000_000).await, world.user(0).await);
    let (mut completed, mut cancelled) = (0, 0);
    for _ in 0..RACES {
        let id = world.pay(&ani, &budi, 10).await.expect(201).id();
        let (complete, cancel) = tokio::join!(world.decide(id, "completed"), world.decide(id, "cancelled"));
        let status = world.settled(id).await;
        let (winner, loser) = if status == "completed" { (complete, cancel) } else { (cancel, complete) };
        assert_eq!(winner.expect(200)["status"], json!(status));
        let lost = loser.expect(409);
        assert!(lost["code"] == "illegal_status_change" || lost["code"] == "transaction_in_progress", "{}", lost.text);
        match status.as_str() {
            "completed" => completed += 1,
            "cancelled" => cancelled += 1,
            other => panic!("a decided transaction is {other}"),
        }
    }
    assert_eq!(completed + cancelled, i64::try_from(RACES).unwrap());
    assert_eq!(world.balance(&ani).await, (1_000_000 - 10 * completed, 0));
    assert_eq!(world.balance(&budi).await, (10 * completed, 0));
    world.assert_ledger_holds().await;
}
