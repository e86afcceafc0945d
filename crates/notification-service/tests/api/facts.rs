//! Facts from the outboxes of the other services.

use lab::smtp::SmtpServer;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{
    facts::{fact, paid, topped_up},
    service::{Service, pluck},
    users::{ANI, BUDI, NOBODY},
};

/// What has been stored, oldest first.
async fn messages(service: &Service) -> Vec<Value> {
    let mut messages = pluck(&service.api.get("/notifications?limit=200").await.expect(200).json, "message");
    messages.reverse();
    messages
}

/// What users are told of top-ups of these amounts.
fn top_ups(amounts: &[i64]) -> Vec<Value> {
    amounts.iter().map(|amount| json!(format!("Top-up Rp {amount} successful."))).collect()
}

#[tokio::test]
async fn each_party_is_told_of_a_fact_once_however_often_it_comes() {
    let service = Service::start().await;
    for _ in 0..3 {
        let _ = service.hand_over(&[paid("paid", ANI, BUDI), topped_up("topup", ANI, 5)]).await.expect(200);
    }
    let list = service.api.get("/notifications").await.expect(200);
    let told = [
        "Top-up Rp 5 successful.",
        "You have received Rp 10,000.",
        "Your payment of Rp 10,000 has been successfully processed.",
    ];
    assert_eq!(pluck(&list.json, "message"), told);
    assert_eq!(pluck(&list.json, "user_id"), [ANI, BUDI, ANI]);
    assert_eq!(pluck(&list.json, "status"), ["pending", "pending", "pending"]);
}

#[tokio::test]
async fn new_facts_are_taken_from_among_old_ones() {
    let service = Service::start().await;
    let _ = service.hand_over(&[topped_up("1", ANI, 1), topped_up("2", ANI, 2)]).await.expect(200);
    let mixed = [topped_up("2", ANI, 22), topped_up("3", ANI, 3), topped_up("3", ANI, 3), topped_up("1", ANI, 11)];
    let _ = service.hand_over(&mixed).await.expect(200);
    assert_eq!(messages(&service).await, top_ups(&[1, 2, 3]));
}

#[tokio::test]
async fn a_fact_that_comes_at_the_same_time_is_stored_once() {
    let service = Service::start().await;
    let api = service.api.as_service();
    let facts: Vec<Value> = (0..50).map(|n| topped_up(&format!("fact.{n}"), ANI, n + 1)).collect();
    let mut calls = JoinSet::new();
    for offset in 0..8 {
        let api = api.clone();
        let mut facts = facts.clone();
        facts.rotate_left(offset * 6);
        calls.spawn(async move { api.post("/internal/facts", json!({"facts": facts})).await });
    }
    for reply in calls.join_all().await {
        let _ = reply.expect(200);
    }
    assert_eq!(messages(&service).await.len(), 50);
}

#[tokio::test]
async fn the_fact_of_a_deleted_notification_does_not_bring_it_back() {
    let service = Service::start().await;
    let _ = service.hand_over(&[topped_up("1", ANI, 1)]).await.expect(200);
    let id = pluck(&service.api.get("/notifications").await.expect(200).json, "id")[0].clone();
    let _ = service.api.delete(&format!("/notifications/{id}")).await.expect(200);
    let _ = service.hand_over(&[topped_up("1", ANI, 1)]).await.expect(200);
    assert_eq!(messages(&service).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_batch_of_1000_is_taken_whatever_its_size_and_a_larger_one_is_not() {
    let service = Service::start().await;
    let largest = |n: usize| {
        let mut fact = paid(&format!("{n:064}"), i64::MAX, ANI);
        fact["data"]["description"] = json!("💸".repeat(255));
        fact
    };
    let refused = service.hand_over(&(0..1001).map(|n| topped_up(&n.to_string(), ANI, 1)).collect::<Vec<_>>()).await;
    assert!(refused.expect_error(400, "invalid_value")["fields"]["facts"].is_string());
    assert_eq!(messages(&service).await.len(), 0);
    let _ = service.hand_over(&(0..1000).map(largest).collect::<Vec<_>>()).await.expect(200);
    let page = service.api.get("/notifications?limit=200").await.expect(200);
    assert!(page.next().is_some());
}

#[tokio::test]
async fn a_bad_fact_refuses_its_batch() {
    let service = Service::start().await;
    let without = |member: &str| {
        let mut fact = topped_up("1", ANI, 1);
        fact.as_object_mut().expect("an object").remove(member);
        fact
    };
    for (bad, field) in [
        (topped_up("", ANI, 1), "facts[1].id"),
        (topped_up("two words", ANI, 1), "facts[1].id"),
        (topped_up("ünïcode", ANI, 1), "facts[1].id"),
        (topped_up(&"e".repeat(65), ANI, 1), "facts[1].id"),
        (topped_up("1", 0, 1), "facts[1].data"),
        (topped_up("1", ANI, -1), "facts[1].data"),
        (fact("1", "topup.completed", json!({"amount": 1})), "facts[1].data"),
        (fact("1", "transaction.completed", json!({"user_id": ANI, "amount": 1})), "facts[1].data"),
        (fact("1", "topup.unheard_of", json!({"user_id": ANI, "amount": 1})), "facts[1].type"),
        (without("id"), "facts[1].id"),
        (without("type"), "facts[1].type"),
        (without("data"), "facts[1].data"),
    ] {
        let reply = service.hand_over(&[topped_up("good", ANI, 1), bad.clone()]).await.expect(400);
        let named = reply["fields"].as_object().is_some_and(|fields| fields.keys().any(|name| name == field));
        assert!(named, "{bad}: {}", reply.text);
    }
    let _ = service.hand_over(&[]).await.expect_error(400, "invalid_value");
    let _ = service.api.as_service().post("/internal/facts", json!({})).await.expect_error(400, "missing_field");
    assert_eq!(messages(&service).await, Vec::<Value>::new(), "nothing of a refused batch was stored");
}

#[tokio::test]
async fn a_field_that_a_fact_does_not_have_is_refused() {
    let service = Service::start().await;
    let mut extra = topped_up("1", ANI, 1);
    extra["status"] = json!("sent");
    let _ = service.hand_over(&[extra]).await.expect_error(400, "unknown_field");
    let body = json!({"facts": [topped_up("1", ANI, 1)], "more": true});
    let _ = service.api.as_service().post("/internal/facts", body).await.expect_error(400, "unknown_field");
}

#[tokio::test]
async fn what_a_later_version_says_beside_it_changes_nothing() {
    let service = Service::start().await;
    let data = json!({"user_id": ANI, "amount": 7, "reference": "order 7", "fee": 1});
    let _ = service.hand_over(&[fact("1", "topup.completed", data)]).await.expect(200);
    assert_eq!(messages(&service).await, top_ups(&[7]));
}

#[tokio::test]
async fn an_amount_is_told_in_the_wallets_currency() {
    let service = Service::with_variables(&[("CURRENCY", "USD".into())]).await;
    let data = json!({"user_id": ANI, "amount": "1234567.5"});
    let _ = service.hand_over(&[fact("1", "debit.completed", data)]).await.expect(200);
    assert_eq!(messages(&service).await, ["Debit of USD 1,234,567.50 successful."]);
}

#[tokio::test]
async fn what_comes_from_a_backup_is_mailed_once_somebody_wants_it() {
    let service = Service::start().await;
    let mut restored = topped_up("1", ANI, 1);
    restored["held_back"] = json!(true);
    let _ = service.hand_over(&[restored]).await.expect(200);
    service.work();
    let held = &service.api.get("/notifications").await.expect(200).json[0];
    let reason = "held back after a restore: it may have been mailed before";
    assert_eq!((&held["status"], &held["failure_reason"]), (&json!("failed"), &json!(reason)));
    let id = held["id"].as_i64().unwrap();
    let _ = service.resend(id).await.expect(200);
    service.becomes(id, "sent").await;
    assert_eq!(service.files().len(), 1);
    service.stop().await;
}

#[tokio::test]
async fn a_fact_is_mailed_once() {
    let service = Service::start().await;
    service.work();
    for _ in 0..2 {
        let _ = service.hand_over(&[topped_up("1", ANI, 1)]).await.expect(200);
    }
    let id = pluck(&service.api.get("/notifications").await.expect(200).json, "id")[0].as_i64().unwrap();
    service.becomes(id, "sent").await;
    let files = service.files();
    let _ = service.hand_over(&[topped_up("1", ANI, 1)]).await.expect(200);
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
async fn a_fact_that_has_an_address_goes_there_whatever_became_of_the_account() {
    let server = SmtpServer::start(json!({"refuse": "refused@"})).await;
    let service = Service::with_variables(&server.variables()).await;
    let mut facts = Vec::new();
    for (n, (user, address)) in
        [(ANI, "before@example.com"), (NOBODY, "closed@example.com"), (BUDI, "refused@example.com")].iter().enumerate()
    {
        let mut fact = fact(&n.to_string(), "security.password_changed", json!({"user_id": user}));
        fact["address"] = json!(address);
        facts.push(fact);
    }
    let _ = service.hand_over(&facts).await.expect(200);
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
        let mut fact = topped_up("1", ANI, 1);
        fact["address"] = json!(address);
        let refused = service.hand_over(&[fact]).await.expect_error(400, "invalid_value");
        assert!(refused["fields"]["facts[0].address"].is_string(), "{}", refused.text);
    }
}

#[tokio::test]
async fn what_warns_the_owner_of_an_account_cannot_be_deleted_in_time_by_whoever_took_it_over() {
    let server = SmtpServer::plain().await;
    let service = Service::with_variables(&server.variables()).await;
    let mut warning = fact("1", "debit.completed", json!({"user_id": ANI, "amount": 10_000}));
    warning["address"] = json!("owner@example.com");
    let _ = service.hand_over(&[warning, topped_up("2", ANI, 1)]).await.expect(200);
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
