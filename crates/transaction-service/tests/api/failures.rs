//! What becomes of a transaction when user-service fails: no money is lost, nothing is done twice, everything ends.

use std::sync::Arc;

use futures::future::join_all;
use lab::{http::eventually, ports::free_port};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{
    peers::{Reaction, UserService, silent, unreachable},
    support::{Service, assert_documented, ids, immediate, payment},
};

const BROKEN: [Reaction; 6] = [
    Reaction::Answers(500, r#"{"code":"internal_error"}"#),
    Reaction::Answers(503, "no JSON"),
    Reaction::Answers(200, "no JSON"),
    Reaction::Answers(200, r#"{"outcomes":[]}"#),
    Reaction::Answers(200, r#"{"outcomes":[{"outcome":"applied"},{"outcome":"applied"}]}"#),
    Reaction::Answers(200, r#"{"outcomes":[{"outcome":"refused","code":"a_code_of_next_year"}]}"#),
];

/// The identities of the facts that notification-service was told, in order.
fn told(service: &Service) -> Vec<String> {
    let id = |fact: Value| fact["id"].as_str().expect("a text").to_owned();
    service.notifications.told().into_iter().map(id).collect()
}

#[tokio::test]
async fn a_payment_for_which_user_service_is_not_reached_leaves_nothing_that_anybody_sees_and_frees_its_key() {
    let port = free_port();
    let service = Service::start_with_users_at(format!("http://127.0.0.1:{port}").parse().unwrap()).await;
    for body in [payment(10_000), immediate(10_000)] {
        let refused = service.service.keyed("key").post("/transactions", body).await;
        let refused = refused.expect_error(503, "service_unavailable");
        assert!(!refused.header("retry-after").is_empty(), "{:?}", refused.headers);
    }
    for list in ["/transactions", "/transactions/user/1", "/transactions/user/2"] {
        assert_eq!(service.service.get(list).await.expect(200).json, json!([]), "{list}");
    }
    assert_eq!(service.untold().await, 0, "nobody is told of it");
    let feed = service.service.get("/internal/transactions?since=2020-01-01T00:00:00Z").await.expect(200);
    let failed = ids(&feed);
    assert_eq!(failed.len(), 2);
    for change in feed.json.as_array().expect("a list") {
        assert_eq!((&change["counts_for_sender"], &change["counts_for_receiver"]), (&json!(false), &json!(false)));
        let id = change["id"].as_i64().expect("an id");
        let _ = service.show(id).await.expect_error(404, "transaction_not_found");
    }

    let users = UserService::start_on(port).await;
    let created = service.service.keyed("key").post("/transactions", payment(10_000)).await.expect(201);
    assert_eq!(created.header("idempotent-replayed"), "");
    assert!(!failed.contains(&created.id()));
    assert_eq!(users.verbs(), ["hold"]);
}

#[tokio::test]
async fn a_user_service_that_refuses_the_whole_call_fails_the_payment() {
    let service = Service::start().await;
    for status in [400, 401, 404, 413, 429] {
        service.users.on("hold", Reaction::Answers(status, r#"{"code":"some_code"}"#));
        let refused = service.service.keyed("key").post("/transactions", payment(10_000)).await;
        let refused = refused.expect_error(503, "service_unavailable");
        assert!(!refused.header("retry-after").is_empty());
        let kept = service.anyone.get("/transactions").await.expect(200);
        assert_eq!(kept.json, json!([]), "after {status}");
    }
    service.users.on("hold", Reaction::Applies);
    let _ = service.service.keyed("key").post("/transactions", payment(10_000)).await.expect(201);
}

#[tokio::test]
async fn a_payment_whose_outcome_is_not_known_is_processing_until_the_settler_knows() {
    let service = Service::start().await;
    service.start_workers();
    let mut unknown = Vec::new();
    for broken in BROKEN {
        service.users.on("hold", broken.clone());
        service.users.on("transfer", broken);
        for body in [payment(10_000), immediate(10_000)] {
            let processing = service.create(body).await.expect(202);
            assert_eq!(processing["status"], "processing");
            let id = processing.id();
            let _ = service.decide(id, "completed").await.expect_error(409, "transaction_in_progress");
            let _ = service.decide(id, "cancelled").await.expect_error(409, "transaction_in_progress");
            let _ = service.delete(id).await.expect_error(409, "transaction_in_progress");
            unknown.push(id);
        }
    }
    let by_status = service.anyone.get("/transactions?status=processing").await.expect(200);
    assert_eq!(ids(&by_status).len(), unknown.len());

    service.users.on("hold", Reaction::Applies);
    service.users.on("transfer", Reaction::Refuses("insufficient_balance"));
    for pair in unknown.chunks(2) {
        let _ = service.becomes(pair[0], "pending").await;
        let failed = service.becomes(pair[1], "failed").await;
        assert_eq!(failed["failure_code"], "insufficient_balance");
    }
    service.everything_is_told().await;
}

#[tokio::test]
async fn who_asks_again_under_a_key_carries_on_what_nobody_else_does() {
    // no settler runs: the instance that began is frozen, as it were
    let service = Service::start().await;
    service.users.on("transfer", Reaction::Answers(500, ""));
    let pay = async || service.service.keyed("key").post("/transactions", immediate(10_000)).await;
    let begun = pay().await.expect(202);
    service.users.on("transfer", Reaction::Applies);
    let again = pay().await.expect(201);
    assert_eq!((again.id(), &again["status"]), (begun.id(), &json!("completed")));
    let calls = service.users.calls();
    assert!(calls.iter().all(|call| call.body == calls[0].body), "the same step again: user-service takes it once");
}

#[tokio::test]
async fn a_verb_is_asked_again_with_the_very_same_words() {
    let service = Service::start().await;
    service.users.on("hold", Reaction::Answers(500, ""));
    let id = service.create(payment(10_000)).await.expect(202).id();
    service.start_workers();
    eventually("the settler to ask", async || (service.users.calls().len() > 2).then_some(())).await;
    service.users.on("hold", Reaction::Applies);
    let _ = service.becomes(id, "pending").await;
    let calls = service.users.calls();
    assert!(calls.iter().all(|call| call.body == calls[0].body), "asked for {:?}", service.users.verbs());
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_the_outcome_open_until_user_service_is_back() {
    let (url, silent) = silent().await;
    let port = url.port().expect("a URL with a port");
    let service = Service::start_with_users_at(url).await;
    let processing = service.create(payment(10_000)).await.expect(202);
    assert_eq!(processing["status"], "processing");
    silent.abort();
    service.start_workers();
    let id = processing.id();
    let tried = async || (service.settle_attempts(id).await > 0).then_some(());
    eventually("the settler to try while user-service is away", tried).await;
    assert_eq!(service.show(id).await.expect(200)["status"], "processing");
    let users = UserService::start_on(port).await;
    let _ = service.becomes(id, "pending").await;
    assert!(users.verbs().iter().all(|verb| verb == "hold"));
}

#[tokio::test]
async fn a_decision_whose_outcome_is_not_known_stands_and_is_carried_out_later() {
    let service = Service::start().await;
    let (paid, cancelled, helped) = (service.pending().await, service.pending().await, service.pending().await);
    let hidden = service.pending().await;
    service.users.on("capture", Reaction::Answers(500, ""));
    service.users.on("release", Reaction::Answers(401, r#"{"code":"invalid_service_token"}"#));
    for (id, status, other) in
        [(paid, "completed", "cancelled"), (cancelled, "cancelled", "completed"), (helped, "completed", "failed")]
    {
        assert_eq!(service.decide(id, status).await.expect(202)["status"], "processing");
        let _ = service.decide(id, other).await.expect_error(409, "transaction_in_progress");
        let described = service.service.put(&format!("/transactions/{id}"), json!({"description": "x"})).await;
        let _ = described.expect_error(409, "transaction_in_progress");
    }
    let _ = service.delete(hidden).await.expect(200);
    let _ = service.show(hidden).await.expect_error(404, "transaction_not_found");

    service.users.on("capture", Reaction::Applies);
    service.users.on("release", Reaction::Applies);
    assert_eq!(service.decide(helped, "completed").await.expect(200)["status"], "completed");
    service.start_workers();
    let _ = service.becomes(paid, "completed").await;
    let _ = service.becomes(cancelled, "cancelled").await;
    eventually("the deleted transaction to be cancelled", async || {
        let feed = service.service.get("/internal/transactions?since=2020-01-01T00:00:00Z").await.expect(200);
        let changes = feed.json.as_array().expect("a list").clone();
        changes.into_iter().find(|change| change["id"] == hidden && change["status"] == "cancelled")
    })
    .await;
    service.everything_is_told().await;
}

#[tokio::test]
async fn an_outcome_that_cannot_be_stored_is_stored_later() {
    let service = Service::start().await;
    let pending = service.pending().await;
    service.run("RENAME TABLE outbox TO outbox_away").await;
    let created = service.create(payment(10_000)).await.expect(202);
    assert_eq!(created["status"], "processing");
    assert_eq!(service.decide(pending, "completed").await.expect(202)["status"], "processing");
    service.run("RENAME TABLE outbox_away TO outbox").await;
    service.start_workers();
    let _ = service.becomes(created.id(), "pending").await;
    let _ = service.becomes(pending, "completed").await;
    service.everything_is_told().await;
    let mut told = told(&service);
    told.sort_unstable();
    let expected = [(pending, "completed"), (pending, "created"), (created.id(), "created")];
    assert_eq!(told, expected.map(|(id, what)| format!("transaction:{id}:{what}")));
}

#[tokio::test]
async fn a_refused_capture_whose_release_is_not_known_gives_the_money_back_later() {
    let service = Service::start().await;
    let id = service.pending().await;
    service.users.on("capture", Reaction::Refuses("receiver_not_found"));
    service.users.on("release", Reaction::Answers(500, ""));
    assert_eq!(service.decide(id, "completed").await.expect(202)["status"], "processing");
    service.users.on("release", Reaction::Applies);
    service.start_workers();
    assert_eq!(service.becomes(id, "failed").await["failure_code"], "receiver_not_found");
}

#[tokio::test]
async fn a_slow_answer_after_the_settler_changes_nothing() {
    let service = Service::start().await;
    let gate = Arc::new(Semaphore::new(0));
    service.users.on("hold", Reaction::Waits(gate.clone()));
    let api = service.service.clone();
    let slow = tokio::spawn(async move { api.post("/transactions", payment(10_000)).await });
    eventually("the hold to be asked for", async || (!service.users.calls().is_empty()).then_some(())).await;
    service.users.on("hold", Reaction::Applies);
    service.start_workers();
    let id = ids(&service.anyone.get("/transactions").await.expect(200))[0];
    let _ = service.becomes(id, "pending").await;
    let _ = service.decide(id, "cancelled").await.expect(200);
    gate.add_permits(1);
    let answered = slow.await.expect("the caller lives").expect(201);
    assert_documented(&answered, &json!({"id": id, "status": "pending"}));
    assert_eq!(service.show(id).await.expect(200)["status"], "cancelled");
    service.everything_is_told().await;
    let told = told(&service);
    assert_eq!(told, [format!("transaction:{id}:created"), format!("transaction:{id}:cancelled")]);
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_stop_its_payment() {
    let service = Service::start().await;
    let gate = Arc::new(Semaphore::new(0));
    service.users.on("hold", Reaction::Waits(gate.clone()));
    let api = service.service.clone();
    let caller = tokio::spawn(async move { api.post("/transactions", payment(10_000)).await });
    eventually("the hold to be asked for", async || (!service.users.calls().is_empty()).then_some(())).await;
    caller.abort();
    assert!(caller.await.is_err_and(|error| error.is_cancelled()), "the caller hung up");
    gate.add_permits(1);
    let id = ids(&service.anyone.get("/transactions").await.expect(200))[0];
    let _ = service.becomes(id, "pending").await;
    assert_eq!(service.users.verbs(), ["hold"]);
}

#[tokio::test]
async fn a_pending_transaction_is_cancelled_when_its_time_is_over() {
    let service = Service::start_with(|config| config.pending_ttl = 1).await;
    let (expired, settled) = (service.pending().await, service.create(immediate(1)).await.expect(201).id());
    service.start_workers();
    assert_eq!(service.becomes(expired, "cancelled").await["status_reason"], "expired");
    assert_eq!(service.users.verbs(), ["hold", "transfer", "release"]);
    assert_eq!(service.show(settled).await.expect(200)["status"], "completed");
    let _ = service.decide(expired, "completed").await.expect_error(409, "illegal_status_change");
    service.everything_is_told().await;
    let told = told(&service);
    assert!(told.contains(&format!("transaction:{expired}:expired")), "{told:?}");
}

#[tokio::test]
async fn what_expires_while_user_service_is_silent_is_still_expired_when_the_settler_ends_it() {
    let service = Service::start_with(|config| config.pending_ttl = 1).await;
    let id = service.pending().await;
    service.users.on("release", Reaction::Answers(500, ""));
    service.start_workers();
    let processing = service.becomes(id, "processing").await;
    assert_eq!(processing["status_reason"], json!(null), "it has not ended yet");
    service.users.on("release", Reaction::Applies);
    assert_eq!(service.becomes(id, "cancelled").await["status_reason"], "expired");
}

#[tokio::test]
async fn what_can_be_read_is_answered_while_user_service_is_away() {
    let service = Service::start_with_users_at(unreachable()).await;
    let _ = service.create(payment(1)).await.expect_error(503, "service_unavailable");
    assert_eq!(service.anyone.get("/transactions").await.expect(200).json, json!([]));
    let _ = service.anyone.get("/ready").await.expect(200);
}

#[tokio::test]
async fn a_step_that_was_tried_for_years_is_still_asked_for() {
    let service = Service::start().await;
    service.users.on("hold", Reaction::Answers(500, ""));
    let id = service.create(payment(10_000)).await.expect(202).id();
    service.run("UPDATE transactions SET settle_attempts = 100000, due_at = NOW(6) - INTERVAL 1 SECOND").await;
    service.users.on("hold", Reaction::Applies);
    service.start_workers();
    let _ = service.becomes(id, "pending").await;
}

#[tokio::test]
async fn a_step_that_is_refused_as_wrong_fails_no_other_that_is_asked_with_it() {
    let service = Service::start().await;
    service.users.on("transfer", Reaction::Answers(400, r#"{"code": "invalid_value"}"#));
    let answers = join_all((0..40).map(|n| service.create(if n % 2 == 0 { payment(5) } else { immediate(5) }))).await;
    for (n, answer) in answers.into_iter().enumerate() {
        if n % 2 == 0 {
            assert_eq!(answer.expect(201)["status"], "pending");
        } else {
            let _ = answer.expect_error(503, "service_unavailable");
        }
    }
}
