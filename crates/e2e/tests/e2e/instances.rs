//! Two instances of each service on the same schemas do nothing twice.

use futures::future::join_all;
use lab::{
    http::Api,
    wallet::Service,
    world::{World, payment},
};
use serde_json::json;

/// Payments in all, half of them through each instance.
const PAYMENTS: i64 = 60;

#[tokio::test]
async fn two_instances_of_every_service_do_nothing_twice() {
    let world = World::start_with(&[
        (Service::Report, "REPORT_SYNC_INTERVAL", "1"),
        (Service::Notification, "MAIL_USER_RATE", "off"), // all of them are to be mailed by the end
    ])
    .await;
    let mut seconds = Vec::new();
    for service in Service::ALL {
        seconds.push(world.wallet.another(service).await.unwrap());
    }
    let (ani, budi) = (world.user(10_000).await, world.user(10_000).await);
    let instances = [world.service(Service::Transaction), Api::new(&seconds[1].url).as_service()];

    let payments = (0..PAYMENTS).map(|n| {
        let n = usize::try_from(n).unwrap();
        let (creator, decider) = (instances[n % 2].clone(), instances[(n + 1) % 2].clone());
        let body = if n % 3 == 0 { payment(&budi, &ani, 10) } else { payment(&ani, &budi, 10) };
        async move {
            let id = creator.keyed(&format!("two-{n}")).post("/transactions", body).await.expect(201).id();
            decider.put(&format!("/transactions/{id}"), json!({"status": "completed"})).await.expect(200)
        }
    });
    for completed in join_all(payments).await {
        assert_eq!(completed["status"], "completed");
    }

    // A third of the payments went the other way.
    let difference = 10 * (PAYMENTS - 2 * (PAYMENTS / 3));
    assert_eq!(world.balance(&ani).await, (10_000 - difference, 0));
    assert_eq!(world.balance(&budi).await, (10_000 + difference, 0));
    world.assert_ledger_holds().await;

    world.assert_everything_told().await;
    let sent = world.told(&ani).await.iter().filter(|message| message.starts_with("You have received")).count();
    assert_eq!(i64::try_from(sent).unwrap(), PAYMENTS / 3, "each is told once");
    let told: (i64, i64) = sqlx::query_as("SELECT COUNT(*), COUNT(DISTINCT fact_id, user_id) FROM notifications")
        .fetch_one(&world.pool(Service::Notification))
        .await
        .unwrap();
    assert_eq!(told, (3 * PAYMENTS + 2, 3 * PAYMENTS + 2), "three notices of each payment and one of each top-up");

    let reports = [world.service(Service::Report), Api::new(&seconds[3].url).as_service()];
    let syncs = join_all(reports.iter().map(|api| api.post_empty("/sync/all"))).await;
    assert!(syncs.iter().any(|answer| answer.status == 200));
    for api in &reports {
        let summary = api.get(&format!("/summaries/user/{}", ani.id)).await.expect(200);
        assert_eq!(summary["total_transactions"], json!(PAYMENTS));
        assert_eq!(summary["total_spent"], json!(10 * (PAYMENTS - PAYMENTS / 3)));
    }
}
