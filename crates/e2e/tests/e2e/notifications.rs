//! What users are told: an outage delays it and changes nothing else.

use e2e::World;
use harness::wallet::Service;

#[tokio::test]
async fn a_notification_service_that_is_down_changes_no_transfer_and_each_event_is_mailed_once() {
    let mut world = World::start().await;
    let (ani, budi) = (world.user(1_000).await, world.user(0).await);
    world.assert_everything_told().await;
    world.wallet.stop_one(Service::Notification).await;
    for n in 1..=10 {
        let id = world.pay(&ani, &budi, n).await.expect(201).id();
        assert_eq!(world.decide(id, "completed").await.expect(200)["status"], "completed");
    }
    assert_eq!((world.balance(&ani).await, world.balance(&budi).await), ((945, 0), (55, 0)));
    let waiting: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM outbox").fetch_one(&world.pool(Service::Transaction)).await.unwrap();
    assert_eq!(waiting, 30, "three events for each payment wait");

    world.wallet.start_again(Service::Notification).await.unwrap();
    world.assert_everything_told().await;
    let received: Vec<String> = (1..=10).map(|n| format!("You have received Rp {n}.")).collect();
    assert_eq!(world.told(&budi).await, received, "oldest first");
    let mut mailed = received;
    mailed.sort_unstable();
    assert_eq!(world.mails(&budi), mailed);
    assert_eq!(world.mails(&ani).len(), 21);
}

#[tokio::test]
async fn a_mail_server_that_is_down_changes_no_transfer() {
    // A port on which nobody listens.
    let port = harness::ports::free_port().to_string();
    let world = World::start_with(&[
        (Service::Notification, "SMTP_SERVER", "127.0.0.1"),
        (Service::Notification, "SMTP_PORT", &port),
    ])
    .await;
    let (ani, budi) = (world.user(100).await, world.user(0).await);
    let id = world.pay(&ani, &budi, 60).await.expect(201).id();
    assert_eq!(world.decide(id, "completed").await.expect(200)["status"], "completed");
    assert_eq!(world.balance(&budi).await, (60, 0));
    let notifications = world.service(Service::Notification);
    let told = harness::http::eventually("the notifications to be stored", async || {
        Some(world.told(&budi).await).filter(|messages| !messages.is_empty())
    })
    .await;
    assert_eq!(told, ["You have received Rp 60."]);
    let list = notifications.get("/notifications").await.expect(200);
    assert!(list.json.as_array().unwrap().iter().all(|notification| notification["status"] != "sent"));
}
