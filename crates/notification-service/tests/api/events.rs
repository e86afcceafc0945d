//! Events from the outboxes of the other services.

use lab::{http::Reply, smtp::SmtpServer};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{
    service::{Service, pluck},
    users::{ANI, BUDI, NOBODY},
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

/// The addresses that notifications still have of their own.
async fn addresses(service: &Service) -> Vec<Option<String>> {
    let pool = service.database().pool();
    let addresses = sqlx::query_scalar("SELECT address FROM notifications ORDER BY id").fetch_all(&pool).await.unwrap();
    pool.close().await;
    addresses
}

#[tokio::test]
async fn an_event_that_has_an_address_goes_there_whatever_became_of_the_account() {
    let server = SmtpServer::start(json!({"refuse": "refused@"})).await;
    let service = Service::with_variables(&server.variables()).await;
    let mut events = Vec::new();
    for (n, (user, address)) in
        [(ANI, "before@example.com"), (NOBODY, "closed@example.com"), (BUDI, "refused@example.com")].iter().enumerate()
    {
        let mut event = event(&n.to_string(), *user, "Your account was changed.");
        event["address"] = json!(address);
        events.push(event);
    }
    let _ = hand_over(&service, events).await.expect(200);
    service.work();
    let list = service.api.get("/notifications").await.expect(200);
    assert!(!list.text.contains("address") && !list.text.contains('@'), "{}", list.text);
    let ids: Vec<i64> = pluck(&list.json, "id").iter().rev().map(|id| id.as_i64().unwrap()).collect();
    for (id, status) in ids.iter().zip(["sent", "sent", "failed"]) {
        service.becomes(*id, status).await;
    }
    let mut to: Vec<String> = server.received(2).await.into_iter().flat_map(|mail| mail.to).collect();
    to.sort_unstable();
    assert_eq!(to, ["before@example.com", "closed@example.com"]);
    assert_eq!(addresses(&service).await, [(); 3].map(|()| Some(String::new())), "they are erased then");
    service.stop().await;

    // what was for an address of its own never goes to another one
    let _ = service.resend(ids[2]).await.expect_error(409, "mail_refused");
    assert_eq!(service.show(ids[2]).await["failure_reason"], "the address that it was for is not kept");
    let again = json!({"status": "pending"});
    let _ = service.api.put(&format!("/notifications/{}", ids[0]), again).await.expect(200);
    let _ = service.send(ids[0]).await.expect_error(409, "mail_refused");
    assert_eq!(server.count("mail"), 2);
}

#[tokio::test]
async fn an_address_that_is_none_is_refused() {
    let service = Service::start().await;
    for address in ["", "ani@example.com\r\n", "j\u{f6}hn@example.com", &"a".repeat(255)] {
        let mut event = event("1", ANI, "Hello");
        event["address"] = json!(address);
        let refused = hand_over(&service, vec![event]).await.expect_error(400, "invalid_value");
        assert!(refused["fields"]["events[0].address"].is_string(), "{}", refused.text);
    }
}

#[tokio::test]
async fn what_warns_the_owner_of_an_account_cannot_be_deleted_in_time_by_whoever_took_it_over() {
    let server = SmtpServer::plain().await;
    let service = Service::with_variables(&server.variables()).await;
    let mut warning = event("1", ANI, "Debit of Rp 10,000 successful.");
    warning["address"] = json!("owner@example.com");
    let _ = hand_over(&service, vec![warning, event("2", ANI, "Hello")]).await.expect(200);
    let list = service.api.get("/notifications").await.expect(200);
    for id in pluck(&list.json, "id") {
        let _ = service.as_user(ANI).delete(&format!("/notifications/{id}")).await.expect(200);
    }
    assert_eq!(messages(&service).await, Vec::<Value>::new());
    service.work();
    let mails = server.received(1).await;
    assert_eq!(mails[0].to, ["owner@example.com"]);
    lab::http::eventually("the address to be erased", async || {
        (addresses(&service).await == [Some(String::new()), None]).then_some(())
    })
    .await;
    service.stop().await;
}
