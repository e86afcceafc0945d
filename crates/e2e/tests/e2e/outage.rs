//! user-service is away for a while, and those who pay come back again and again, as they are told.

use std::time::{Duration, Instant};

use futures::future::join_all;
use lab::{
    http::eventually,
    wallet::Service,
    world::{World, payment},
};

/// Those who pay, each under a key of its own.
const PAYERS: usize = 6;
/// How long user-service is away.
const OUTAGE: Duration = Duration::from_secs(8);

#[tokio::test]
async fn whoever_is_told_to_come_back_has_not_failed() {
    let mut world = World::start().await;
    let receiver = world.user(0).await;
    let mut payers = Vec::new();
    for _ in 0..PAYERS {
        payers.push(world.user(1_000).await);
    }
    world.wallet.kill(Service::User);
    let api = world.service(Service::Transaction);
    let pay = async |number: usize| {
        let key = format!("order-{number}");
        api.keyed(&key).post("/transactions", payment(&payers[number], &receiver, 10)).await
    };
    let (begun, mut refusals) = (Instant::now(), 0);
    while begun.elapsed() < OUTAGE {
        for reply in join_all((0..PAYERS).map(pay)).await {
            let reply = reply.expect_error(503, "service_unavailable");
            assert!(!reply.header("retry-after").is_empty());
            refusals += 1;
        }
    }
    assert!(refusals > 50, "{refusals}");
    world.wallet.start_again(Service::User).await.unwrap();
    for number in 0..PAYERS {
        eventually("the payment", async || (pay(number).await.status == 201).then_some(())).await;
    }

    let failed = api.get("/transactions?status=failed").await.expect(200);
    assert_eq!(failed.json.as_array().map(Vec::len), Some(0), "{}", failed.text);
    world.assert_everything_told().await;
    for payer in &payers {
        let history = api.get(&format!("/transactions/user/{}", payer.id)).await.expect(200);
        assert_eq!(history.json.as_array().map(Vec::len), Some(1), "{}", history.text);
        let told = world.told(payer).await;
        assert!(told.len() == 2 && told.iter().all(|text| !text.contains("failed")), "{told:?}");
    }
    world.assert_ledger_holds().await;
}
