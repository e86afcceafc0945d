//! `execute_at`: a transaction that begins later.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use common::config::Mode;
use lab::http::{Reply, eventually};
use money::time;
use serde_json::{Value, json};

use crate::{
    peers::Reaction,
    support::{RECEIVER, SENDER, Service, assert_documented, assert_names_field, ids, immediate, payment},
};

/// How far ahead a transaction may be scheduled.
const MOST: TimeDelta = TimeDelta::days(366);

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn at(mut body: Value, at: DateTime<Utc>) -> Value {
    body["execute_at"] = json!(text(at));
    body
}

fn tomorrow() -> DateTime<Utc> {
    time::now() + TimeDelta::days(1)
}

/// As if its time had come.
async fn let_begin(service: &Service, id: i64) {
    let update = sqlx::query("UPDATE transactions SET due_at = NOW(6) WHERE id = ?").bind(id);
    let _ = update.execute(&service.pool()).await.unwrap();
}

async fn settled(service: &Service, id: i64) -> Reply {
    eventually("the transaction to settle", async || {
        let shown = service.show(id).await.expect(200);
        (shown["status"] != "scheduled" && shown["status"] != "processing").then_some(shown)
    })
    .await
}

/// What was told of it: the kinds of facts, and to whom it belongs by then.
async fn told(service: &Service) -> Vec<String> {
    service.everything_is_told().await;
    service.notifications.told().iter().map(|fact| fact["type"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn nothing_is_asked_for_before_its_time_and_then_it_is_like_any_other() {
    let service = Service::start().await;
    let when = tomorrow();
    let held = service.create(at(payment(10_000), when)).await.expect(201);
    let moved = service.create(at(immediate(10_000), when)).await.expect(201);
    for answer in [&held, &moved] {
        let documented =
            json!({"status": "scheduled", "captured_amount": 0, "execute_at": text(when), "amount": 10_000});
        assert_documented(answer, &documented);
        assert!(answer["status_reason"].is_null());
        assert_eq!(service.show(answer.id()).await.expect(200).text, answer.text);
    }
    service.start_workers();
    for (id, status, seen) in [(held.id(), "pending", "hold"), (moved.id(), "completed", "transfer")] {
        assert!(!service.users.verbs().contains(&seen.to_owned()));
        let_begin(&service, id).await;
        let shown = settled(&service, id).await;
        assert_eq!((shown["status"].as_str(), shown["execute_at"].as_str()), (Some(status), Some(&*text(when))));
        assert!(service.users.verbs().contains(&seen.to_owned()));
    }
    let _ = service.decide(held.id(), "completed").await.expect(200);
    assert_eq!(service.users.verbs(), ["hold", "transfer", "capture"]);
    let mut facts = told(&service).await;
    facts.sort();
    assert_eq!(
        facts,
        [
            "transaction.completed",
            "transaction.completed",
            "transaction.created",
            "transaction.scheduled",
            "transaction.scheduled"
        ]
    );
}

#[tokio::test]
async fn it_begins_by_itself_at_its_time() {
    let service = Service::start().await;
    service.start_workers();
    let id = service.create(at(immediate(10_000), time::now() + TimeDelta::milliseconds(800))).await.expect(201).id();
    assert_eq!(settled(&service, id).await["status"], "completed");
}

#[tokio::test]
async fn its_time_is_within_a_year_from_now() {
    let service = Service::start().await;
    let now = time::now();
    for wrong in [now - TimeDelta::seconds(1), now + MOST + TimeDelta::minutes(5)] {
        assert_names_field(service.create(at(payment(1), wrong)).await, "invalid_value", "execute_at");
    }
    for right in [now + TimeDelta::minutes(1), now + MOST] {
        let _ = service.create(at(payment(1), right)).await.expect(201);
    }
    let mut body = payment(1);
    body["execute_at"] = json!("tomorrow");
    assert_names_field(service.create(body).await, "invalid_value", "execute_at");
    assert!(service.users.verbs().is_empty());
}

#[tokio::test]
async fn a_refusal_at_its_time_ends_it_and_is_told() {
    let service = Service::start().await;
    let poor = service.create(at(payment(10_000), tomorrow())).await.expect(201).id();
    let closed = service.create(at(immediate(10_000), tomorrow())).await.expect(201).id();
    service.users.on("hold", Reaction::Refuses("insufficient_balance"));
    service.users.on("transfer", Reaction::Refuses("user_not_found"));
    service.start_workers();
    for (id, code) in [(poor, "insufficient_balance"), (closed, "user_not_found")] {
        let_begin(&service, id).await;
        let shown = settled(&service, id).await;
        assert_documented(&shown, &json!({"status": "failed", "failure_code": code, "status_reason": code}));
    }
    // whose account is closed is nobody who could be told
    let facts = told(&service).await;
    assert_eq!(facts, ["transaction.scheduled", "transaction.scheduled", "transaction.failed"]);
}

#[tokio::test]
async fn its_sender_cancels_it_without_a_step_and_nothing_else_is_possible() {
    let service = Service::start().await;
    let sender = service.user(SENDER);
    let [cancelled, deleted] =
        [0, 1].map(|_| async { service.create(at(payment(10_000), tomorrow())).await.expect(201).id() });
    let (cancelled, deleted) = (cancelled.await, deleted.await);
    let path = format!("/transactions/{cancelled}");
    for status in ["completed", "failed", "pending"] {
        let refused = sender.put(&path, json!({"status": status})).await.expect_error(409, "illegal_status_change");
        assert_eq!(refused["status"], "scheduled");
    }
    let captured = sender.post(&format!("{path}/captures"), json!({"amount": 1})).await;
    let _ = captured.expect_error(409, "illegal_status_change");
    let described = sender.put(&path, json!({"description": "Later"})).await.expect(200);
    assert_documented(&described, &json!({"status": "scheduled", "description": "Later"}));
    for _ in 0..2 {
        let ended = sender.put(&path, json!({"status": "cancelled"})).await.expect(200);
        assert_documented(&ended, &json!({"status": "cancelled", "status_reason": "cancelled_by_sender"}));
    }
    let _ = sender.delete(&format!("/transactions/{deleted}")).await.expect(200);
    let _ = sender.get(&format!("/transactions/{deleted}")).await.expect_error(404, "transaction_not_found");
    service.start_workers();
    for id in [cancelled, deleted] {
        let_begin(&service, id).await;
    }
    let facts = told(&service).await;
    assert_eq!(facts.iter().filter(|kind| *kind == "transaction.cancelled").count(), 2);
    assert_eq!(service.show(cancelled).await.expect(200)["status"], "cancelled");
    assert!(service.users.verbs().is_empty(), "nothing was set aside");
}

#[tokio::test]
async fn the_receiver_sees_nothing_of_it_before_the_money_is_set_aside() {
    let service = Service::start_with(|config| config.service.mode = Mode::Production).await;
    let (sender, receiver) = (service.user(SENDER), service.user(RECEIVER));
    let id = sender.post("/transactions", at(payment(10_000), tomorrow())).await.expect(201).id();
    let path = format!("/transactions/{id}");
    let _ = receiver.get(&path).await.expect_error(404, "transaction_not_found");
    let _ = receiver.put(&path, json!({"status": "cancelled"})).await.expect_error(404, "transaction_not_found");
    assert_eq!(ids(&sender.get("/transactions?status=scheduled").await.expect(200)), [id]);
    assert!(ids(&receiver.get("/transactions").await.expect(200)).is_empty());
    assert_eq!(ids(&service.service.get("/transactions?status=scheduled").await.expect(200)), [id]);
    let seen = service.service.get(&format!("/transactions/user/{RECEIVER}")).await.expect(200);
    assert!(ids(&seen).is_empty());
    let feed = service.service.get(&format!("/internal/transactions/batch?ids={id}")).await.expect(200);
    let change = &feed.json[0];
    assert_eq!((&change["counts_for_sender"], &change["counts_for_receiver"]), (&json!(false), &json!(false)));
    service.start_workers();
    let_begin(&service, id).await;
    assert_eq!(settled(&service, id).await["status"], "pending");
    let seen = service.service.get(&format!("/transactions/user/{RECEIVER}")).await.expect(200);
    assert_eq!(ids(&seen), [id]);
}

#[tokio::test]
async fn a_replay_gives_the_first_answer_also_after_its_time() {
    let service = Service::start().await;
    let keyed = service.service.keyed("later");
    let body = at(immediate(10_000), time::now() + TimeDelta::seconds(1));
    let (one, other) =
        tokio::join!(keyed.post("/transactions", body.clone()), keyed.post("/transactions", body.clone()));
    let (first, other) = (one.expect(201), other.expect(201));
    assert_eq!(other.id(), first.id());
    service.start_workers();
    assert_eq!(settled(&service, first.id()).await["status"], "completed");
    let again = keyed.post("/transactions", body.clone()).await.expect(201);
    assert_eq!((again.header("idempotent-replayed"), &again.text), ("true", &first.text));
    let _ = keyed.post("/transactions", at(body, tomorrow())).await.expect_error(422, "idempotency_key_reused");
    assert_eq!(service.users.verbs(), ["transfer"]);
}

#[tokio::test]
async fn of_two_instances_one_begins_it() {
    let service = Service::start().await;
    let mut made = Vec::new();
    for _ in 0..20 {
        made.push(service.create(at(payment(10), tomorrow())).await.expect(201).id());
    }
    let _ = sqlx::query("UPDATE transactions SET due_at = NOW(6)").execute(&service.pool()).await.unwrap();
    (0..2).for_each(|_| service.start_workers());
    for id in made {
        assert_eq!(settled(&service, id).await["status"], "pending");
    }
    assert_eq!(service.users.verbs().len(), 20);
}

#[tokio::test]
async fn of_a_sender_who_cancels_and_its_time_exactly_one_wins() {
    let service = Service::start().await;
    let mut made = Vec::new();
    for _ in 0..30 {
        made.push(service.create(at(payment(10), tomorrow())).await.expect(201).id());
    }
    let _ = sqlx::query("UPDATE transactions SET due_at = NOW(6)").execute(&service.pool()).await.unwrap();
    service.start_workers();
    let cancelled = made.iter().map(|id| service.decide(*id, "cancelled"));
    let answers = futures::future::join_all(cancelled).await;
    let (mut held, mut back) = (0, 0);
    for (id, answer) in made.iter().zip(answers) {
        let shown = settled(&service, *id).await;
        let was_held = service.service.get(&format!("/internal/transactions/{id}")).await.expect(200);
        held += usize::from(was_held["counts_for_receiver"] == true);
        back += usize::from(was_held["counts_for_receiver"] == true && shown["status"] == "cancelled");
        match answer.status.as_u16() {
            200 => assert_eq!(shown["status"], "cancelled"),
            _ => {
                assert_eq!((&answer["code"], &shown["status"]), (&json!("transaction_in_progress"), &json!("pending")));
            }
        }
    }
    let verbs = service.users.verbs();
    let asked = |verb: &str| verbs.iter().filter(|asked| *asked == verb).count();
    assert_eq!((asked("hold"), asked("release")), (held, back), "what was cancelled before its time was never held");
}

#[tokio::test]
async fn it_waits_for_a_user_service_that_is_away() {
    let service = Service::start().await;
    service.users.on("hold", Reaction::Answers(503, r#"{"code":"service_unavailable"}"#));
    let id = service.create(at(payment(10_000), tomorrow())).await.expect(201).id();
    service.start_workers();
    let_begin(&service, id).await;
    assert!(service.becomes(id, "processing").await["execute_at"].is_string());
}

#[tokio::test]
async fn whoever_does_not_exist_has_no_part_in_what_begins_later() {
    let service = Service::start().await;
    let nobody = lab::accounts::NOBODY;
    let with = |member: &str, value: Value| {
        let mut body = at(payment(10_000), tomorrow());
        body[member] = value;
        body
    };
    for (body, field) in [
        (with("sender_id", json!(nobody)), "sender_id"),
        (with("receiver_id", json!(nobody)), "receiver_id"),
        (with("fee", json!({"receiver_id": nobody, "amount": 1})), "fee.receiver_id"),
    ] {
        for path in ["/transactions", "/transactions?dry_run=true"] {
            let refused = service.service.post(path, body.clone()).await.expect_error(404, "user_not_found");
            assert_eq!(refused["fields"], json!({field: "does not exist"}));
        }
    }
    let all = service.service.get("/transactions").await.expect(200);
    assert_eq!(all.json, json!([]));
}
