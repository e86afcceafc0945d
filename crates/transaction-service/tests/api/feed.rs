//! `GET /internal/transactions`: the feed of changes, by which report-service keeps its copy.

use harness::http::Reply;
use serde_json::{Value, json};

use crate::support::{Service, assert_names_field, ids, payment};

const ALWAYS: &str = "2020-01-01T00:00:00Z";

async fn changes(service: &Service, query: &str) -> Reply {
    service.service.get(&format!("/internal/transactions?{query}")).await
}

fn text(change: &Value, member: &str) -> String {
    change[member].as_str().unwrap_or_else(|| panic!("no {member} in {change}")).to_owned()
}

#[tokio::test]
async fn a_change_moves_a_transaction_to_the_end_of_the_feed() {
    let service = Service::start().await;
    let (one, two) = (service.pending().await, service.pending().await);
    let before = changes(&service, &format!("since={ALWAYS}")).await.expect(200);
    assert_eq!(ids(&before), [one, two]);
    let _ = service.decide(one, "completed").await.expect(200);
    let after = changes(&service, &format!("since={ALWAYS}")).await.expect(200);
    assert_eq!(ids(&after), [two, one]);

    let (old, new) = (&before.json[0], &after.json[1]);
    assert!(new["version"].as_i64() > old["version"].as_i64(), "{old} then {new}");
    assert!(text(new, "changed_at") > text(old, "changed_at"), "{old} then {new}");
    assert_eq!((&new["status"], &new["hidden"], &new["amount"]), (&json!("completed"), &json!(false), &json!(10_000)));
    assert_eq!(
        (&new["sender_id"], &new["receiver_id"], &new["created_at"]),
        (&json!(1), &json!(2), &old["created_at"])
    );
    let single = service.service.get(&format!("/internal/transactions/{one}")).await.expect(200);
    assert_eq!(single.json, *new);
}

#[tokio::test]
async fn a_reader_gets_every_change_once_page_by_page() {
    let service = Service::start().await;
    let mut expected = Vec::new();
    for _ in 0..7 {
        expected.push(service.pending().await);
    }
    let hidden = expected.remove(2);
    let _ = service.delete(hidden).await.expect(200);
    expected.push(hidden);

    let (mut since, mut after, mut seen) = (ALWAYS.to_owned(), 0, Vec::new());
    loop {
        let page = changes(&service, &format!("since={since}&after_id={after}&limit=3")).await.expect(200);
        let page = page.json.as_array().expect("a list").clone();
        seen.extend(page.iter().map(|change| (change["id"].as_i64().expect("an id"), change["hidden"] == true)));
        let Some(last) = page.last().filter(|_| page.len() == 3) else { break };
        (since, after) = (text(last, "changed_at"), last["id"].as_i64().expect("an id"));
    }
    assert_eq!(seen, expected.into_iter().map(|id| (id, id == hidden)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_reader_may_ask_for_one_user_and_from_one_moment() {
    let service = Service::start().await;
    let between = async |sender: i64, receiver: i64| {
        let body = json!({"sender_id": sender, "receiver_id": receiver, "amount": 1});
        service.create(body).await.expect(201).id()
    };
    let (sent, foreign, received) = (between(1, 2).await, between(2, 3).await, between(3, 1).await);
    for (user, found) in [(1, vec![sent, received]), (2, vec![sent, foreign]), (9, vec![])] {
        let feed = changes(&service, &format!("since={ALWAYS}&user_id={user}")).await.expect(200);
        assert_eq!(ids(&feed), found, "user {user}");
    }
    let first = changes(&service, &format!("since={ALWAYS}&user_id=1&limit=1")).await.expect(200);
    assert_eq!(ids(&first), [sent]);
    let since = text(&first.json[0], "changed_at");
    let rest = changes(&service, &format!("since={since}&after_id={sent}&user_id=1")).await.expect(200);
    assert_eq!(ids(&rest), [received]);
    let inclusive = changes(&service, &format!("since={since}&user_id=1")).await.expect(200);
    assert_eq!(ids(&inclusive), [sent, received], "the moment itself is included");
}

#[tokio::test]
async fn what_was_never_accepted_is_in_the_feed_too() {
    let service = Service::start().await;
    service.users.on("hold", crate::peers::Reaction::Refuses("insufficient_balance"));
    let refused = service.create(payment(1)).await.expect_error(400, "insufficient_balance");
    let feed = changes(&service, &format!("since={ALWAYS}")).await.expect(200);
    assert_eq!((&feed.json[0]["id"], &feed.json[0]["status"]), (&refused["transaction_id"], &json!("failed")));
}

#[tokio::test]
async fn each_wrong_parameter_of_the_feed_is_named() {
    let service = Service::start().await;
    for (query, code, field) in [
        ("", "missing_field", "since"),
        ("since=yesterday", "invalid_value", "since"),
        ("since=2020-01-01T00:00:00Z&limit=0", "invalid_value", "limit"),
        ("since=2020-01-01T00:00:00Z&limit=1001", "invalid_value", "limit"),
        ("since=2020-01-01T00:00:00Z&limit=abc", "invalid_value", "limit"),
        ("since=2020-01-01T00:00:00Z&after_id=abc", "invalid_value", "after_id"),
        ("since=2020-01-01T00:00:00Z&user_id=0", "invalid_value", "user_id"),
        ("since=2020-01-01T00:00:00Z&status=failed", "unknown_field", "status"),
    ] {
        assert_names_field(changes(&service, query).await, code, field);
    }
    let _ = changes(&service, "since=2020-01-01T00:00:00Z&limit=1000").await.expect(200);
}
