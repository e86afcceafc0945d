//! `PUT` and `DELETE /transactions/{id}`: what becomes of a pending transaction.

use serde_json::json;

use crate::{
    peers::Reaction,
    support::{RECEIVER, SENDER, Service, assert_documented, assert_names_field, ids, immediate, payment},
};

#[tokio::test]
async fn each_decision_asks_for_its_verb_and_ends_in_its_status() {
    let service = Service::start().await;
    let all = ("capture", r#","amount":10000,"by_operator":true"#);
    for (status, (verb, amount)) in [("completed", all), ("failed", ("release", "")), ("cancelled", ("release", ""))] {
        let id = service.pending().await;
        let decided = service.decide(id, status).await.expect(200);
        assert_eq!((decided.id(), &decided["status"]), (id, &json!(status)));
        assert_eq!(service.show(id).await.expect(200)["status"], status);
        let asked = service.users.calls().pop().expect("a call").body;
        assert_eq!(
            asked,
            format!(
                r#"{{"operations":[{{"{verb}":{{"transaction_id":{id},"step":2,"sender_id":{SENDER},"receiver_id":{RECEIVER}{amount}}}}}]}}"#
            )
        );
    }
}

#[tokio::test]
async fn a_settled_transaction_keeps_its_status() {
    const STATUSES: [&str; 4] = ["pending", "completed", "failed", "cancelled"];
    let service = Service::start().await;
    for settled in &STATUSES[1..] {
        let id = service.pending().await;
        let first = service.decide(id, settled).await.expect(200);
        let verbs = service.users.verbs().len();
        for other in STATUSES.iter().filter(|other| *other != settled) {
            let refused = service.decide(id, other).await.expect_error(409, "illegal_status_change");
            assert_eq!(refused["status"], *settled, "the answer tells where it stands");
        }
        assert_eq!(
            service.decide(id, settled).await.expect(200).json,
            first.json,
            "the same status again is no change"
        );
        assert_eq!(service.users.verbs().len(), verbs, "nothing more was asked of user-service");
    }
    let id = service.pending().await;
    assert_eq!(service.decide(id, "pending").await.expect(200)["status"], "pending");
}

#[tokio::test]
async fn a_refused_transaction_and_a_one_step_transfer_are_settled_from_the_start() {
    let service = Service::start().await;
    let completed = service.create(immediate(1)).await.expect(201).id();
    let _ = service.decide(completed, "cancelled").await.expect_error(409, "illegal_status_change");
    service.users.on("hold", Reaction::Refuses("insufficient_balance"));
    let refused = service.create(payment(1)).await.expect_error(400, "insufficient_balance");
    let failed = refused["transaction_id"].as_i64().expect("an id");
    let _ = service.decide(failed, "completed").await.expect_error(409, "illegal_status_change");
    assert_eq!(service.decide(failed, "failed").await.expect(200)["failure_code"], "insufficient_balance");
}

#[tokio::test]
async fn a_capture_that_is_refused_gives_the_money_back_and_answers_the_reason() {
    let service = Service::start().await;
    for (refusal, status, code) in [
        ("receiver_not_found", 404, "user_not_found"),
        ("receiver_unavailable", 409, "receiver_unavailable"),
        ("not_held", 409, "not_held"),
    ] {
        let id = service.pending().await;
        let before = service.users.verbs().len();
        service.users.on("capture", Reaction::Refuses(refusal));
        let _ = service.decide(id, "completed").await.expect_error(status, code);
        assert_eq!(service.users.verbs()[before..], ["capture", "release"]);
        let failed = service.show(id).await.expect(200);
        assert_documented(&failed, &json!({"status": "failed", "failure_code": refusal}));
        let _ = service.decide(id, "completed").await.expect_error(409, "illegal_status_change");
        assert_eq!(service.decide(id, "failed").await.expect(200)["status"], "failed");
    }
}

#[tokio::test]
async fn a_release_that_comes_after_the_capture_finds_the_transaction_completed() {
    let service = Service::start().await;
    let id = service.pending().await;
    service.users.on("release", Reaction::Refuses("not_held"));
    let lost = service.decide(id, "cancelled").await.expect_error(409, "illegal_status_change");
    assert_eq!(lost["status"], "completed");
    assert_eq!(service.show(id).await.expect(200)["status"], "completed");
}

#[tokio::test]
async fn a_description_changes_while_the_transaction_is_pending() {
    let service = Service::start().await;
    let id = service.pending().await;
    let path = format!("/transactions/{id}");
    let described = service.service.put(&path, json!({"description": " Lunch "})).await.expect(200);
    assert_documented(&described, &json!({"status": "pending", "description": "Lunch"}));
    let both = json!({"status": "pending", "description": "Dinner"});
    assert_eq!(service.service.put(&path, both).await.expect(200)["description"], "Dinner");
    assert_eq!(service.users.verbs(), ["hold"], "a description moves no money");

    let last = json!({"status": "completed", "description": "Payment completed"});
    let completed = service.service.put(&path, last.clone()).await.expect(200);
    assert_documented(&completed, &last);
    let late = service.service.put(&path, json!({"description": "Too late"})).await;
    let _ = late.expect_error(409, "illegal_status_change");
    assert_documented(&service.show(id).await.expect(200), &last);
    assert_documented(&service.service.put(&path, last.clone()).await.expect(200), &last);
}

#[tokio::test]
async fn a_late_description_is_refused_even_beside_the_status_that_stands() {
    let service = Service::start().await;
    let id = service.pending().await;
    let _ = service.decide(id, "completed").await.expect(200);
    let body = json!({"status": "completed", "description": "Too late"});
    let late = service.service.put(&format!("/transactions/{id}"), body).await;
    let _ = late.expect_error(409, "illegal_status_change");
}

#[tokio::test]
async fn each_wrong_field_of_an_update_is_named() {
    let service = Service::start().await;
    let id = service.pending().await;
    let path = format!("/transactions/{id}");
    for (body, code, field) in [
        (json!({"status": "processing"}), "invalid_value", "status"),
        (json!({"status": "done"}), "invalid_value", "status"),
        (json!({"status": ""}), "invalid_value", "status"),
        (json!({"status": "Completed"}), "invalid_value", "status"),
        (json!({"description": "d".repeat(256)}), "invalid_value", "description"),
        (json!({"status": "completed", "description": "a\r\nb"}), "invalid_value", "description"),
        (json!({"status": "cancelled", "amount": 1}), "invalid_amount", "amount"),
        (json!({"status": "completed", "amount": 0}), "invalid_amount", "amount"),
    ] {
        assert_names_field(service.service.put(&path, body).await, code, field);
    }
    let _ = service.service.put(&path, json!({})).await.expect_error(400, "nothing_to_change");
    assert_eq!(service.show(id).await.expect(200)["status"], "pending");
}

#[tokio::test]
async fn a_status_that_is_no_word_is_named() {
    let service = Service::start().await;
    let id = service.pending().await;
    for status in [json!(1), json!(true), json!(["completed"]), json!({})] {
        let reply = service.service.put(&format!("/transactions/{id}"), json!({"status": status})).await;
        assert_names_field(reply, "invalid_value", "status");
    }
}

#[tokio::test]
async fn a_transaction_that_is_not_there_is_404_and_a_wrong_id_400() {
    let service = Service::start().await;
    let _ = service.show(999_999).await.expect_error(404, "transaction_not_found");
    let _ = service.decide(999_999, "completed").await.expect_error(404, "transaction_not_found");
    let _ = service.delete(999_999).await.expect_error(404, "transaction_not_found");
    let internal = service.service.get("/internal/transactions/999999").await;
    let _ = internal.expect_error(404, "transaction_not_found");
    for id in ["0", "-1", "abc", "1.5", "9223372036854775808"] {
        for (path, name) in [("/transactions", "id"), ("/transactions/user", "user_id")] {
            assert_names_field(service.service.get(&format!("{path}/{id}")).await, "invalid_value", name);
        }
    }
}

#[tokio::test]
async fn deleting_a_pending_transaction_cancels_it_and_any_settled_one_is_hidden() {
    let service = Service::start().await;
    let pending = service.pending().await;
    let _ = service.delete(pending).await.expect(200);
    assert_eq!(service.users.verbs(), ["hold", "release"]);
    let completed = service.create(immediate(1)).await.expect(201).id();
    let _ = service.delete(completed).await.expect(200);
    assert_eq!(service.users.verbs(), ["hold", "release", "transfer"]);
    let kept = service.pending().await;

    for id in [pending, completed] {
        let internal = service.service.get(&format!("/internal/transactions/{id}")).await;
        for gone in [
            service.show(id).await,
            service.decide(id, "completed").await,
            service.service.put(&format!("/transactions/{id}"), json!({"description": "x"})).await,
            service.delete(id).await,
            internal,
        ] {
            let _ = gone.expect_error(404, "transaction_not_found");
        }
    }
    for list in ["/transactions", "/transactions/user/1", "/transactions/user/2"] {
        assert_eq!(ids(&service.anyone.get(list).await.expect(200)), [kept], "{list}");
    }
    let feed = service.service.get("/internal/transactions?since=2020-01-01T00:00:00Z").await.expect(200);
    let told: Vec<_> = feed.json.as_array().expect("a list").iter().map(|c| (&c["status"], &c["hidden"])).collect();
    assert_eq!(
        told,
        [(&json!("cancelled"), &json!(true)), (&json!("completed"), &json!(true)), (&json!("pending"), &json!(false))]
    );
}

#[tokio::test]
async fn of_parallel_decisions_exactly_one_wins() {
    let service = Service::start().await;
    let id = service.pending().await;
    let mut racers = tokio::task::JoinSet::new();
    for n in 0..12 {
        let (api, path) = (service.service.clone(), format!("/transactions/{id}"));
        let status = ["completed", "cancelled", "failed"][n % 3];
        racers.spawn(async move { (status, api.put(&path, json!({"status": status})).await) });
    }
    let replies = racers.join_all().await;
    let winner = service.show(id).await.expect(200)["status"].as_str().expect("a status").to_owned();
    for (status, reply) in replies {
        if status == winner {
            assert_eq!(reply.expect(200)["status"], winner.as_str());
        } else {
            let _ = reply.expect(409);
        }
    }
    let verbs = service.users.verbs();
    let verb = if winner == "completed" { "capture" } else { "release" };
    assert!(verbs[1..].iter().all(|asked| asked == verb), "{winner} asked for {verbs:?}");
}
