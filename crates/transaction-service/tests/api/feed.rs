//! `GET /internal/transactions…`: what report-service keeps its copy by.

use lab::http::Reply;
use serde_json::{Value, json};

use crate::support::{Service, assert_names_field, ids, payment};

const ALWAYS: &str = "2020-01-01T00:00:00Z";

async fn changes(service: &Service, query: &str) -> Reply {
    service.service.get(&format!("/internal/transactions?{query}")).await
}

async fn newest_first(service: &Service, user: i64, query: &str) -> Reply {
    service.service.get(&format!("/internal/transactions/user/{user}?{query}")).await
}

async fn batch(service: &Service, ids: &[i64]) -> Reply {
    let ids = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    service.service.get(&format!("/internal/transactions/batch?ids={ids}")).await
}

/// A pending transaction between these users.
async fn between(service: &Service, sender: i64, receiver: i64) -> i64 {
    let body = json!({"sender_id": sender, "receiver_id": receiver, "amount": 1});
    service.create(body).await.expect(201).id()
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
async fn a_reader_may_start_at_one_moment() {
    let service = Service::start().await;
    let (first, second) = (service.pending().await, service.pending().await);
    let feed = changes(&service, &format!("since={ALWAYS}&limit=1")).await.expect(200);
    assert_eq!(ids(&feed), [first]);
    let since = text(&feed.json[0], "changed_at");
    let rest = changes(&service, &format!("since={since}&after_id={first}")).await.expect(200);
    assert_eq!(ids(&rest), [second]);
    let inclusive = changes(&service, &format!("since={since}")).await.expect(200);
    assert_eq!(ids(&inclusive), [first, second], "the moment itself is included");
}

#[tokio::test]
async fn the_newest_change_is_the_end_of_the_feed() {
    let service = Service::start().await;
    let newest = async || service.service.get("/internal/transactions/newest").await.expect(200);
    assert_eq!(newest().await.json, Value::Null);
    let (one, two) = (service.pending().await, service.pending().await);
    assert_eq!(newest().await.id(), two);
    let _ = service.decide(one, "completed").await.expect(200);
    let feed = changes(&service, &format!("since={ALWAYS}")).await.expect(200);
    assert_eq!(newest().await.json, feed.json[1]);
    let _ = service.delete(two).await.expect(200);
    let hidden = newest().await;
    assert_eq!((hidden.id(), &hidden["hidden"]), (two, &json!(true)));
}

#[tokio::test]
async fn a_user_s_transactions_come_newest_first_page_by_page() {
    let service = Service::start().await;
    let mut of_user = Vec::new();
    for (sender, receiver) in [(1, 2), (2, 1), (2, 3), (1, 3), (3, 1), (3, 2), (2, 1)] {
        let id = between(&service, sender, receiver).await;
        if [sender, receiver].contains(&1) {
            of_user.insert(0, id);
        }
    }
    let _ = service.decide(of_user[4], "completed").await.expect(200);
    let _ = service.delete(of_user[1]).await.expect(200);

    assert_eq!(ids(&newest_first(&service, 1, "").await.expect(200)), of_user, "whatever their status, hidden or not");
    assert_eq!(ids(&newest_first(&service, 9, "").await.expect(200)), Vec::<i64>::new());
    let (mut seen, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let page = newest_first(&service, 1, &query).await.expect(200);
        seen.extend(ids(&page));
        if ids(&page).len() < 2 {
            break;
        }
        query = format!("limit=2&before_id={}", seen[seen.len() - 1]);
    }
    assert_eq!(seen, of_user);
    let feed = changes(&service, &format!("since={ALWAYS}")).await.expect(200);
    let changed = feed.json.as_array().unwrap().iter().find(|change| change["id"] == of_user[4]);
    assert_eq!(newest_first(&service, 1, "").await.expect(200).json.as_array().unwrap().last(), changed);
}

#[tokio::test]
async fn transactions_can_be_asked_for_by_id() {
    let service = Service::start().await;
    let (one, two, three) = (service.pending().await, service.pending().await, service.pending().await);
    let _ = service.delete(two).await.expect(200);
    let mut found = ids(&batch(&service, &[three, 999_999, two, three]).await.expect(200));
    found.sort_unstable();
    assert_eq!(found, [two, three], "those that there are, once, hidden or not");
    let single = service.service.get(&format!("/internal/transactions/{one}")).await.expect(200);
    assert_eq!(batch(&service, &[one]).await.expect(200).json, json!([single.json]));

    let many: Vec<i64> = (i64::MAX - 999..=i64::MAX).collect();
    assert_eq!(batch(&service, &many).await.expect(200).json, json!([]), "a thousand of the longest numbers");
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
        ("since=2020-01-01T00:00:00Z&user_id=1", "unknown_field", "user_id"),
        ("since=2020-01-01T00:00:00Z&status=failed", "unknown_field", "status"),
    ] {
        assert_names_field(changes(&service, query).await, code, field);
    }
    let _ = changes(&service, "since=2020-01-01T00:00:00Z&limit=1000").await.expect(200);
}

#[tokio::test]
async fn each_wrong_parameter_of_the_other_readings_is_named() {
    let service = Service::start().await;
    for (query, code, field) in [
        ("limit=0", "invalid_value", "limit"),
        ("limit=1001", "invalid_value", "limit"),
        ("before_id=0", "invalid_value", "before_id"),
        ("before_id=abc", "invalid_value", "before_id"),
        ("cursor=1", "unknown_field", "cursor"),
    ] {
        assert_names_field(newest_first(&service, 1, query).await, code, field);
    }
    let _ = newest_first(&service, 0, "").await.expect_error(400, "invalid_value");
    for ids in ["", "ids=", "ids=1,", "ids=a", "ids=1,0", "ids=1%202"] {
        let code = if ids.is_empty() { "missing_field" } else { "invalid_value" };
        let reply = service.service.get(&format!("/internal/transactions/batch?{ids}")).await;
        assert_names_field(reply, code, "ids");
    }
    let too_many: Vec<i64> = (1..=1001).collect();
    assert_names_field(batch(&service, &too_many).await, "invalid_value", "ids");
}

#[tokio::test]
async fn only_services_read_what_report_service_reads() {
    let service = Service::start().await;
    for path in ["?since=2020-01-01T00:00:00Z", "/newest", "/batch?ids=1", "/user/1", "/1"] {
        let path = format!("/internal/transactions{path}");
        let _ = service.anyone.get(&path).await.expect_error(401, "missing_service_token");
        let _ = service.user(1).get(&path).await.expect_error(403, "forbidden");
    }
}
