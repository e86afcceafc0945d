//! Schedules as their owners make, see and change them.

use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use common::config::Mode;
use lab::http::{Api, Reply, eventually};
use money::time::{self, day_of};
use serde_json::{Value, json};

use crate::support::{RECEIVER, SENDER, Service, assert_documented, assert_names_field, ids};

/// The day that it is in the wallet's time zone.
pub fn today() -> NaiveDate {
    day_of(time::now(), Tz::Asia__Jakarta)
}

/// The body of `POST /schedules` from [`SENDER`] to [`RECEIVER`].
pub fn recurring(every: &str, start: &impl ToString) -> Value {
    json!({
        "transaction": {
            "sender_id": SENDER,
            "receiver_id": RECEIVER,
            "amount": 10_000,
            "description": "Rent",
            "auto_complete": true,
        },
        "every": every,
        "start": start.to_string(),
        "end": null,
    })
}

async fn make(api: &Api, body: Value) -> Reply {
    api.post("/schedules", body).await
}

async fn change(api: &Api, id: i64, body: Value) -> Reply {
    api.put(&format!("/schedules/{id}"), body).await
}

#[tokio::test]
async fn a_schedule_is_answered_with_its_next_twelve_dates() {
    let service = Service::start().await;
    let made = make(&service.service, recurring("month", &"2098-12-31")).await.expect(201);
    let months = ["2098-12-31", "2099-01-31", "2099-02-28", "2099-03-31", "2099-04-30", "2099-05-31", "2099-06-30"];
    let more = ["2099-07-31", "2099-08-31", "2099-09-30", "2099-10-31", "2099-11-30"];
    let mut documented = recurring("month", &"2098-12-31");
    documented["status"] = json!("active");
    documented["next_runs"] = json!([&months[..], &more[..]].concat());
    assert_documented(&made, &documented);
    let mut body = recurring("week", &"2099-01-01");
    body["end"] = json!("2099-01-15");
    let weekly = make(&service.service, body).await.expect(201);
    assert_eq!(weekly["next_runs"], json!(["2099-01-01", "2099-01-08", "2099-01-15"]), "the end is inclusive");
    assert_eq!(service.service.get(&format!("/schedules/{}", made.id())).await.expect(200).json, made.json);
    assert_eq!(ids(&service.service.get("/schedules").await.expect(200)), [weekly.id(), made.id()]);
    let page = service.service.get("/schedules?limit=1").await.expect(200);
    assert_eq!(ids(&page), [weekly.id()]);
    assert_eq!(ids(&service.service.get(&page.next().expect("a next page")).await.expect(200)), [made.id()]);
}

#[tokio::test]
async fn what_is_no_schedule_is_refused_by_name() {
    let service = Service::start().await;
    let with = |name: &str, value: Value| {
        let mut body = recurring("month", &"2099-12-31");
        *body.pointer_mut(name).expect("the body has it") = value;
        body
    };
    for (body, code, field) in [
        (with("/start", json!(today().pred_opt().unwrap().to_string())), "invalid_value", "start"),
        (with("/start", json!("31.12.2099")), "invalid_value", "start"),
        (with("/end", json!("2099-12-30")), "invalid_value", "end"),
        (with("/every", json!("year")), "invalid_value", "every"),
        (with("/transaction/amount", json!(0)), "invalid_amount", "transaction.amount"),
        (with("/transaction/receiver_id", json!(SENDER)), "self_transfer", "transaction.receiver_id"),
        (with("/transaction/description", json!("x".repeat(256))), "invalid_value", "transaction.description"),
        (with("/transaction", json!(null)), "invalid_value", "transaction"),
    ] {
        assert_names_field(make(&service.service, body).await, code, field);
    }
    let mut unknown = recurring("month", &"2099-12-31");
    unknown["transaction"]["execute_at"] = json!("2099-12-31T00:00:00Z");
    assert_names_field(make(&service.service, unknown).await, "unknown_field", "transaction.execute_at");
    assert!(ids(&service.service.get("/schedules").await.expect(200)).is_empty());
    let id = make(&service.service, recurring("day", &"2099-12-31")).await.expect(201).id();
    for (body, code, field) in [
        (json!({"status": "ended"}), "invalid_value", "status"),
        (json!({"end": "2099-12-30"}), "invalid_value", "end"),
        (json!({"amount": "0.001"}), "invalid_amount", "amount"),
        (json!({"start": "2099-12-31"}), "unknown_field", "start"),
    ] {
        assert_names_field(change(&service.service, id, body).await, code, field);
    }
    let _ = change(&service.service, id, json!({})).await.expect_error(400, "nothing_to_change");
}

/// A body of `POST /schedules` whose `transaction` has these members, and no `receiver_id` unless they have one.
fn paying(more: &Value) -> Value {
    let mut body = recurring("month", &today());
    let transaction = body["transaction"].as_object_mut().unwrap();
    transaction.remove("receiver_id");
    transaction.extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn a_schedule_pays_several_a_fee_or_an_address() {
    let service = Service::start().await;
    service.users.has_address(RECEIVER, "jane@example.com");
    let splits = json!([{"receiver_id": 3, "amount": 4_000}, {"receiver_id": RECEIVER, "amount": 6_000}]);
    let fee = json!({"receiver_id": 3, "amount": 100});
    let split = make(&service.service, paying(&json!({"splits": splits}))).await.expect(201);
    assert_eq!((&split["transaction"]["splits"], &split["transaction"]["receiver_id"]), (&splits, &json!(3)));
    let body = paying(&json!({"receiver_email": "jane@example.com", "fee": fee}));
    let keyed = service.service.keyed("rent");
    let with_fee = make(&keyed, body.clone()).await.expect(201);
    assert_eq!((&with_fee["transaction"]["fee"], &with_fee["transaction"]["receiver_id"]), (&fee, &json!(RECEIVER)));
    assert!(with_fee["transaction"].get("splits").is_none());
    for made in [&split, &with_fee] {
        assert_eq!(service.service.get(&format!("/schedules/{}", made.id())).await.expect(200).json, made.json);
    }
    service.start_workers();
    let runs = eventually("both to run", async || {
        let runs = service.service.get("/transactions").await.expect(200);
        let runs = runs.json.as_array().unwrap().clone();
        (runs.len() == 2 && runs.iter().all(|run| run["status"] == "completed")).then_some(runs)
    })
    .await;
    let of = |schedule: &Reply| runs.iter().find(|run| run["schedule_id"] == schedule["id"]).expect("a run");
    assert_eq!(of(&split)["splits"][1]["captured_amount"], 6_000);
    assert_eq!((&of(&with_fee)["fee_amount"], &of(&with_fee)["receiver_id"]), (&json!(100), &json!(RECEIVER)));
    // a version before this one reads a receiver who does not exist, in place of one who would get all of it
    let read: i64 = sqlx::query_scalar("SELECT receiver_id FROM schedules WHERE id = ?")
        .bind(split.id())
        .fetch_one(&service.pool())
        .await
        .unwrap();
    assert_eq!(read, i64::MAX);
    // what is shared adds up, so it stays
    assert_names_field(change(&service.service, split.id(), json!({"amount": 1})).await, "invalid_value", "amount");
    let _ = change(&service.service, split.id(), json!({"amount": 10_000, "description": "Flat"})).await.expect(200);
    // the address is somebody else's by now, and the request is the same
    service.users.has_address(3, "jane@example.com");
    assert_eq!(make(&keyed, body).await.expect(201).text, with_fee.text);
}

#[tokio::test]
async fn who_cannot_be_paid_by_a_schedule_is_named() {
    let service = Service::start().await;
    service.users.has_address(SENDER, "john@example.com");
    let split = |receiver: i64, amount: i64| json!({"receiver_id": receiver, "amount": amount});
    for (members, status, code, field) in [
        (json!({}), 400, "missing_field", "receiver_id"),
        (json!({"receiver_id": 2, "receiver_email": "jane@example.com"}), 400, "invalid_value", "receiver_id"),
        (json!({"receiver_email": "nobody@example.com"}), 404, "user_not_found", "receiver_email"),
        (json!({"receiver_email": "john@example.com"}), 400, "self_transfer", "receiver_email"),
        (json!({"splits": []}), 400, "invalid_value", "splits"),
        (json!({"splits": [split(2, 10_001)]}), 400, "invalid_value", "splits[0].amount"),
        (json!({"splits": [split(2, 9_999)]}), 400, "invalid_value", "splits[0].amount"),
        (json!({"splits": [split(SENDER, 10_000)]}), 400, "self_transfer", "splits[0].receiver_id"),
        (json!({"splits": [split(2, 10_000)], "receiver_id": 2}), 400, "invalid_value", "splits"),
        (json!({"splits": [split(2, 10_000)], "fee": split(3, 1)}), 400, "invalid_value", "fee"),
        (json!({"receiver_id": 2, "fee": split(3, 10_000)}), 400, "invalid_value", "fee.amount"),
        (json!({"receiver_id": 2, "fee": split(2, 1)}), 400, "invalid_value", "fee.receiver_id"),
    ] {
        let reply = make(&service.service, paying(&members)).await.expect_error(status, code);
        assert!(reply["fields"][format!("transaction.{field}")].is_string(), "{}", reply.text);
    }
    service.users.refuses_lookups(7);
    let by_address = paying(&json!({"receiver_email": "jane@example.com"}));
    let limited = make(&service.user(SENDER), by_address).await.expect_error(429, "rate_limited");
    assert_eq!(limited.header("retry-after"), "7");
}

#[tokio::test]
async fn a_schedule_is_its_senders_and_nobody_elses() {
    for (mode, status, code) in [(Mode::Production, 404, "schedule_not_found"), (Mode::Development, 403, "forbidden")] {
        let service = Service::start_with(|config| config.service.mode = mode).await;
        let (sender, receiver) = (service.user(SENDER), service.user(RECEIVER));
        let _ = make(&receiver, recurring("day", &"2099-12-31")).await.expect_error(403, "forbidden");
        let id = make(&sender, recurring("day", &"2099-12-31")).await.expect(201).id();
        let path = format!("/schedules/{id}");
        let _ = receiver.get(&path).await.expect_error(status, code);
        let _ = receiver.put(&path, json!({"status": "paused"})).await.expect_error(status, code);
        let _ = receiver.delete(&path).await.expect_error(status, code);
        for query in ["", "?user_id=1", "?user_id=2"] {
            assert!(ids(&receiver.get(&format!("/schedules{query}")).await.expect(200)).is_empty(), "{query}");
        }
        for (query, seen) in [("", vec![id]), ("?user_id=1", vec![id]), ("?user_id=2", vec![])] {
            for api in [&sender, &service.service] {
                assert_eq!(ids(&api.get(&format!("/schedules{query}")).await.expect(200)), seen, "{query}");
            }
        }
        assert_eq!(sender.get(&path).await.expect(200)["status"], "active");
        let _ = sender.get("/schedules/99").await.expect_error(404, "schedule_not_found");
        let _ = sender.delete(&path).await.expect(200);
        for api in [&sender, &service.service] {
            let _ = api.get(&path).await.expect_error(404, "schedule_not_found");
            let _ = api.delete(&path).await.expect_error(404, "schedule_not_found");
            let _ = api.put(&path, json!({"status": "active"})).await.expect_error(404, "schedule_not_found");
            assert!(ids(&api.get("/schedules").await.expect(200)).is_empty());
        }
    }
}

#[tokio::test]
async fn a_schedule_is_paused_goes_on_and_is_changed() {
    let service = Service::start().await;
    let id = make(&service.service, recurring("day", &"2099-12-30")).await.expect(201).id();
    let paused = change(&service.service, id, json!({"status": "paused"})).await.expect(200);
    assert_documented(&paused, &json!({"status": "paused", "next_runs": []}));
    let update = json!({"status": "active", "amount": 20_000, "description": "More rent", "end": "2099-12-31"});
    let changed = change(&service.service, id, update).await.expect(200);
    assert_documented(&changed, &json!({"status": "active", "next_runs": ["2099-12-30", "2099-12-31"]}));
    let transaction = &changed["transaction"];
    assert_eq!((&transaction["amount"], &transaction["description"]), (&json!(20_000), &json!("More rent")));
    assert_eq!(service.service.get(&format!("/schedules/{id}")).await.expect(200).text, changed.text);
}

#[tokio::test]
async fn the_same_request_makes_one_schedule_and_is_answered_again() {
    let service = Service::start().await;
    let keyed = service.service.keyed("rent");
    let body = recurring("month", &today());
    let (one, other) = tokio::join!(make(&keyed, body.clone()), make(&keyed, body.clone()));
    let (one, other) = (one.expect(201), other.expect(201));
    assert_eq!(one.text, other.text);
    let _ = change(&service.service, one.id(), json!({"status": "paused"})).await.expect(200);
    let again = make(&keyed, body.clone()).await.expect(201);
    assert_eq!((again.header("idempotent-replayed"), &again.text), ("true", &one.text));
    let _ = make(&keyed, recurring("week", &today())).await.expect_error(422, "idempotency_key_reused");
    // what is refused for its form does not use the key up
    let early = service.service.keyed("early");
    assert_names_field(make(&early, recurring("day", &(today() - Days::new(1)))).await, "invalid_value", "start");
    let _ = make(&early, recurring("day", &today())).await.expect(201);
    assert_eq!(ids(&service.service.get("/schedules").await.expect(200)).len(), 2);
}
