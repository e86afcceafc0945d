//! The facts of transactions: what really happened, once, however often notification-service fails.

use serde_json::{Value, json};

use crate::{
    peers::{Reaction, unreachable},
    support::{RECEIVER, SENDER, Service, immediate, payment},
};

/// What was told of one transaction: the names of the facts, and why it had ended.
fn told_of(told: &[Value], id: i64) -> Vec<(&str, Option<&str>)> {
    let prefix = format!("transaction:{id}:");
    let of_it = told.iter().filter_map(|fact| Some((fact["id"].as_str()?.strip_prefix(&prefix)?, &fact["data"])));
    of_it.map(|(name, data)| (name, data["status_reason"].as_str())).collect()
}

#[tokio::test]
async fn what_happens_is_told() {
    let service = Service::start().await;
    let refused_by = async |verb: &'static str, refusal: &'static str, body| {
        service.users.on(verb, Reaction::Refuses(refusal));
        let refused = service.create(body).await;
        service.users.on(verb, Reaction::Applies);
        refused["transaction_id"].as_i64().expect("an id")
    };
    let pending = service.pending().await;
    let [completed, cancelled, failed, deleted] =
        [service.pending().await, service.pending().await, service.pending().await, service.pending().await];
    for (id, status) in [(completed, "completed"), (cancelled, "cancelled"), (failed, "failed")] {
        let _ = service.decide(id, status).await.expect(200);
        let _ = service.decide(id, status).await.expect(200);
    }
    let _ = service.delete(deleted).await.expect(200);
    let moved = service.create(immediate(50_000)).await.expect(201).id();
    let poor = refused_by("hold", "insufficient_balance", payment(10_000)).await;
    let nobody = refused_by("transfer", "receiver_not_found", immediate(10_000)).await;
    let no_sender = refused_by("hold", "user_not_found", payment(10_000)).await;
    let full = service.pending().await;
    service.users.on("capture", Reaction::Refuses("receiver_unavailable"));
    let _ = service.decide(full, "completed").await.expect_error(409, "receiver_unavailable");

    service.start_workers();
    service.everything_is_told().await;
    let told = service.notifications.told();
    let created = ("created", None);
    assert_eq!(told_of(&told, pending), [created]);
    assert_eq!(told_of(&told, completed), [created, ("completed", Some("completed_by_service"))]);
    for id in [cancelled, deleted] {
        assert_eq!(told_of(&told, id), [created, ("cancelled", Some("cancelled_by_service"))]);
    }
    assert_eq!(told_of(&told, failed), [created, ("failed", Some("failed_by_service"))]);
    assert_eq!(told_of(&told, moved), [("completed", Some("completed_at_once"))]);
    assert_eq!(told_of(&told, poor), [("failed", Some("insufficient_balance"))]);
    assert_eq!(told_of(&told, nobody), [("failed", Some("receiver_not_found"))]);
    assert_eq!(told_of(&told, no_sender), []);
    assert_eq!(told_of(&told, full), [created, ("failed", Some("receiver_unavailable"))]);

    let fact = told.iter().find(|fact| fact["id"] == format!("transaction:{moved}:completed")).expect("it is told");
    let data = &fact["data"];
    assert_eq!((&fact["type"], &fact["actor"]), (&json!("transaction.completed"), &json!("service")));
    let shown = service.show(moved).await.expect(200);
    for member in ["id", "sender_id", "receiver_id", "amount", "description", "status", "created_at", "updated_at"] {
        assert_eq!(data[member], shown[member], "{member} is as GET shows it");
    }
}

#[tokio::test]
async fn a_failing_notification_service_is_told_again_until_it_listens() {
    let service = Service::start().await;
    service.notifications.fail(3);
    let id = service.create(immediate(10_000)).await.expect(201).id();
    service.start_workers();
    service.everything_is_told().await;
    assert_eq!(told_of(&service.notifications.told(), id), [("completed", Some("completed_at_once"))]);
}

#[tokio::test]
async fn a_fact_that_is_refused_does_not_hold_up_the_others() {
    let service = Service::start().await;
    service.notifications.refuse("unheard of");
    let body = json!({"sender_id": SENDER, "receiver_id": RECEIVER, "amount": 1, "description": "unheard of"});
    let _ = service.create(body).await.expect(201);
    let good = service.pending().await;
    service.start_workers();
    lab::http::eventually("the other fact to be told", async || {
        let told = service.notifications.told();
        (!told_of(&told, good).is_empty()).then_some(())
    })
    .await;
    assert_eq!(service.untold().await, 1, "the refused fact is kept");
    service.notifications.refuse("something else");
    service.everything_is_told().await;
}

#[tokio::test]
async fn money_moves_while_notification_service_is_away() {
    let service = Service::start_with(|config| config.notification_service_url = unreachable()).await;
    service.start_workers();
    let id = service.pending().await;
    assert_eq!(service.decide(id, "completed").await.expect(200)["status"], "completed");
    assert_eq!(service.untold().await, 2, "what could not be told yet is kept");
}
