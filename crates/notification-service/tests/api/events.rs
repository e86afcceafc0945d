//! Events from the outboxes of the other services.

use harness::http::Reply;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{
    service::{Service, pluck},
    users::{ANI, BUDI},
};

fn event(id: &str, user: i64, message: &str) -> Value {
    json!({"event_id": id, "user_id": user, "message": message})
}

async fn hand_over(service: &Service, events: Vec<Value>) -> Reply {
    service.api.as_service().post("/internal/notifications", json!({"events": events})).await
}

/// What has been stored, oldest first.
async fn messages(service: &Service) -> Vec<Value> {
    let mut messages = pluck(&service.api.get("/notifications?limit=200").await.expect(200).json, "message");
    messages.reverse();
    messages
}

#[tokio::test]
async fn an_event_is_stored_once_however_often_it_comes() {
    let service = Service::start().await;
    for _ in 0..3 {
        let taken = hand_over(&service, vec![event("paid.1", ANI, "Paid"), event("paid.2", BUDI, "Received")]).await;
        let _ = taken.expect(200);
    }
    let list = service.api.get("/notifications").await.expect(200);
    assert_eq!(pluck(&list.json, "message"), ["Received", "Paid"]);
    assert_eq!(pluck(&list.json, "user_id"), [BUDI, ANI]);
    assert_eq!(pluck(&list.json, "status"), ["pending", "pending"]);
}

#[tokio::test]
async fn new_events_are_taken_from_among_old_ones() {
    let service = Service::start().await;
    let _ = hand_over(&service, vec![event("1", ANI, "one"), event("2", ANI, "two")]).await.expect(200);
    let mixed = vec![
        event("2", ANI, "two, told again"),
        event("3", ANI, "three"),
        event("3", ANI, "three"),
        event("1", BUDI, "x"),
    ];
    let _ = hand_over(&service, mixed).await.expect(200);
    assert_eq!(messages(&service).await, ["one", "two", "three"]);
}

#[tokio::test]
async fn an_event_that_comes_at_the_same_time_is_stored_once() {
    let service = Service::start().await;
    let api = service.api.as_service();
    let events: Vec<Value> = (0..50).map(|n| event(&format!("event.{n}"), ANI, &format!("Number {n}"))).collect();
    let mut calls = JoinSet::new();
    for offset in 0..8 {
        let api = api.clone();
        let mut events = events.clone();
        events.rotate_left(offset * 6);
        calls.spawn(async move { api.post("/internal/notifications", json!({"events": events})).await });
    }
    for reply in calls.join_all().await {
        let _ = reply.expect(200);
    }
    assert_eq!(messages(&service).await.len(), 50);
}

#[tokio::test]
async fn the_event_of_a_deleted_notification_does_not_bring_it_back() {
    let service = Service::start().await;
    let _ = hand_over(&service, vec![event("1", ANI, "one")]).await.expect(200);
    let id = pluck(&service.api.get("/notifications").await.expect(200).json, "id")[0].clone();
    let _ = service.api.delete(&format!("/notifications/{id}")).await.expect(200);
    let _ = hand_over(&service, vec![event("1", ANI, "one")]).await.expect(200);
    assert_eq!(messages(&service).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_batch_of_1000_is_taken_whatever_its_size_and_a_larger_one_is_not() {
    let service = Service::start().await;
    let largest = |n: usize| event(&format!("{n:064}"), i64::MAX, &"💸".repeat(1000));
    let refused = hand_over(&service, (0..1001).map(|n| event(&n.to_string(), ANI, "x")).collect()).await;
    assert!(refused.expect_error(400, "invalid_value")["fields"]["events"].is_string());
    assert_eq!(messages(&service).await.len(), 0);
    let _ = hand_over(&service, (0..1000).map(largest).collect()).await.expect(200);
    let page = service.api.get("/notifications?limit=200").await.expect(200);
    assert!(page.next().is_some());
    assert_eq!(pluck(&page.json, "message")[0], "💸".repeat(1000));
}

#[tokio::test]
async fn a_bad_event_refuses_its_batch() {
    let service = Service::start().await;
    for (bad, field) in [
        (event("", ANI, "x"), "events[1].event_id"),
        (event("two words", ANI, "x"), "events[1].event_id"),
        (event("ünïcode", ANI, "x"), "events[1].event_id"),
        (event(&"e".repeat(65), ANI, "x"), "events[1].event_id"),
        (event("1", ANI, ""), "events[1].message"),
        (event("1", ANI, "two\r\nlines"), "events[1].message"),
        (event("1", ANI, &"x".repeat(1001)), "events[1].message"),
        (event("1", 0, "x"), "events[1].user_id"),
        (json!({"user_id": ANI, "message": "x"}), "events[1].event_id"),
        (json!({"event_id": "1", "message": "x"}), "events[1].user_id"),
        (json!({"event_id": "1", "user_id": ANI}), "events[1].message"),
    ] {
        let reply = hand_over(&service, vec![event("good", ANI, "Good"), bad.clone()]).await.expect(400);
        let named = reply["fields"].as_object().is_some_and(|fields| fields.keys().any(|name| name.ends_with(field)));
        assert!(named, "{bad}: {}", reply.text);
    }
    let _ = hand_over(&service, Vec::new()).await.expect_error(400, "invalid_value");
    let _ =
        service.api.as_service().post("/internal/notifications", json!({})).await.expect_error(400, "missing_field");
    assert_eq!(messages(&service).await, Vec::<Value>::new(), "nothing of a refused batch was stored");
}

#[tokio::test]
async fn a_field_that_an_event_does_not_have_is_refused() {
    let service = Service::start().await;
    let mut extra = event("1", ANI, "x");
    extra["status"] = json!("sent");
    let _ = hand_over(&service, vec![extra]).await.expect_error(400, "unknown_field");
    let body = json!({"events": [event("1", ANI, "x")], "more": true});
    let _ = service.api.as_service().post("/internal/notifications", body).await.expect_error(400, "unknown_field");
}

#[tokio::test]
async fn the_message_of_an_event_is_trimmed_like_any_other() {
    let service = Service::start().await;
    let longest = "x".repeat(1000);
    let _ = hand_over(&service, vec![event("1", ANI, &format!("  {longest}  ")), event("2", ANI, " Paid ")])
        .await
        .expect(200);
    assert_eq!(messages(&service).await, [longest, "Paid".into()]);
}

#[tokio::test]
async fn an_event_is_mailed_once() {
    let service = Service::start().await;
    service.work();
    for _ in 0..2 {
        let _ = hand_over(&service, vec![event("1", ANI, "Paid")]).await.expect(200);
    }
    let id = pluck(&service.api.get("/notifications").await.expect(200).json, "id")[0].as_i64().unwrap();
    service.becomes(id, "sent").await;
    let files = service.files();
    let _ = hand_over(&service, vec![event("1", ANI, "Paid")]).await.expect(200);
    assert_eq!(service.show(id).await["status"], "sent");
    assert_eq!((files.len(), service.files() == files), (1, true));
    service.stop().await;
}
