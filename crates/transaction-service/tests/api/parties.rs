//! What of a transaction is whose: who sees it, who may end it, and why it ended.

use common::config::Mode;
use lab::http::{Api, Reply};
use serde_json::{Value, json};

use crate::{
    peers::Reaction,
    support::{RECEIVER, SENDER, Service, assert_documented, ids, immediate, payment},
};

/// What a sender writes to somebody who is to read it against its will.
const INSULT: &str = "What you should know about yourself";

async fn in_production() -> Service {
    Service::start_with(|config| config.service.mode = Mode::Production).await
}

async fn update(api: &Api, id: i64, body: Value) -> Reply {
    api.put(&format!("/transactions/{id}"), body).await
}

async fn show(api: &Api, id: i64) -> Reply {
    api.get(&format!("/transactions/{id}")).await
}

async fn delete(api: &Api, id: i64) -> Reply {
    api.delete(&format!("/transactions/{id}")).await
}

/// A payment with a text that is refused.
async fn refused(service: &Service, verb: &'static str, refusal: &'static str) -> i64 {
    let mut body = if verb == "hold" { payment(10_000) } else { immediate(10_000) };
    body["description"] = json!(INSULT);
    service.users.on(verb, Reaction::Refuses(refusal));
    let id = service.create(body).await["transaction_id"].as_i64().expect("an id");
    service.users.on(verb, Reaction::Applies);
    id
}

async fn listed(api: &Api, user: i64) -> [Vec<i64>; 2] {
    let (all, own) = (api.get("/transactions").await, api.get(&format!("/transactions/user/{user}")).await);
    [ids(&all.expect(200)), ids(&own.expect(200))]
}

/// The change of `id` in the feed.
async fn change(service: &Service, id: i64) -> Value {
    let feed = service.service.get(&format!("/internal/transactions/batch?ids={id}")).await.expect(200);
    feed.json[0].clone()
}

#[tokio::test]
async fn what_never_held_money_is_the_senders_alone() {
    for (service, status, code) in
        [(in_production().await, 404, "transaction_not_found"), (Service::start().await, 403, "forbidden")]
    {
        let (sender, receiver) = (service.user(SENDER), service.user(RECEIVER));
        let real = service.pending().await;
        for (verb, refusal) in
            [("hold", "insufficient_balance"), ("transfer", "insufficient_balance"), ("hold", "receiver_unavailable")]
        {
            let id = refused(&service, verb, refusal).await;
            assert_eq!(show(&sender, id).await.expect(200)["description"], INSULT);
            for answer in [
                show(&receiver, id).await,
                update(&receiver, id, json!({"status": "cancelled"})).await,
                update(&receiver, id, json!({"description": "x"})).await,
                delete(&receiver, id).await,
            ] {
                assert!(!answer.expect_error(status, code).text.contains(INSULT));
            }
            assert_eq!(listed(&receiver, RECEIVER).await, [[real], [real]]);
            for filter in ["status=failed", "min_amount=1"] {
                let list = receiver.get(&format!("/transactions?{filter}")).await.expect(200);
                assert!(!list.text.contains(INSULT), "{filter}");
            }
            assert!(listed(&sender, SENDER).await.iter().all(|list| list.contains(&id)));
            // whoever looks at the receiver's transactions sees what the receiver sees
            let of_receiver = service.service.get(&format!("/transactions/user/{RECEIVER}")).await.expect(200);
            assert_eq!(ids(&of_receiver), [real]);
            assert_eq!(show(&service.service, id).await.expect(200)["status_reason"], refusal);
            let change = change(&service, id).await;
            assert_eq!(
                (&change["counts_for_sender"], &change["counts_for_receiver"], &change["status_reason"]),
                (&json!(true), &json!(false), &json!(refusal))
            );
        }
    }
}

#[tokio::test]
async fn a_receiver_sees_nothing_before_the_money_is_held() {
    let service = in_production().await;
    service.users.on("hold", Reaction::Answers(500, ""));
    let mut body = payment(10_000);
    body["description"] = json!(INSULT);
    let id = service.create(body).await.expect(202).id();
    let (sender, receiver) = (service.user(SENDER), service.user(RECEIVER));
    assert_eq!(show(&sender, id).await.expect(200)["status"], "processing");
    let _ = show(&receiver, id).await.expect_error(404, "transaction_not_found");
    assert_eq!(listed(&receiver, RECEIVER).await, [[], []] as [[i64; 0]; 2]);
    service.users.on("hold", Reaction::Applies);
    service.start_workers();
    let _ = service.becomes(id, "pending").await;
    let of_receiver = service.service.get(&format!("/transactions/user/{RECEIVER}")).await.expect(200);
    assert_eq!(ids(&of_receiver), [id]);
}

#[tokio::test]
async fn what_was_refused_because_there_is_no_sender_is_no_users() {
    let service = in_production().await;
    let id = refused(&service, "hold", "user_not_found").await;
    let nobody = refused(&service, "hold", "receiver_not_found").await;
    // accounts that get these numbers later
    let (sender, receiver) = (service.user(SENDER), service.user(RECEIVER));
    for later in [&sender, &receiver] {
        let _ = show(later, id).await.expect_error(404, "transaction_not_found");
    }
    let _ = show(&receiver, nobody).await.expect_error(404, "transaction_not_found");
    assert_eq!(listed(&sender, SENDER).await, [[nobody], [nobody]]);
    assert_eq!(listed(&receiver, RECEIVER).await, [[], []] as [[i64; 0]; 2]);
    assert_eq!(show(&service.service, id).await.expect(200)["status_reason"], "user_not_found");
    let change = change(&service, id).await;
    assert_eq!((&change["counts_for_sender"], &change["counts_for_receiver"]), (&json!(false), &json!(false)));
}

#[tokio::test]
async fn what_a_party_deletes_is_gone_for_that_party_alone() {
    let service = in_production().await;
    let (sender, receiver) = (service.user(SENDER), service.user(RECEIVER));
    for (party, user, other, other_user) in
        [(&sender, SENDER, &receiver, RECEIVER), (&receiver, RECEIVER, &sender, SENDER)]
    {
        let id = service.create(immediate(1)).await.expect(201).id();
        let _ = delete(party, id).await.expect(200);
        for gone in [
            show(party, id).await,
            delete(party, id).await,
            update(party, id, json!({"status": "cancelled"})).await,
            update(party, id, json!({"description": "x"})).await,
        ] {
            let _ = gone.expect_error(404, "transaction_not_found");
        }
        assert!(listed(party, user).await.iter().all(|list| !list.contains(&id)));
        assert_eq!(show(other, id).await.expect(200)["status"], "completed");
        assert!(listed(other, other_user).await.iter().all(|list| list.contains(&id)));
        assert_eq!(show(&service.service, id).await.expect(200)["status"], "completed");
        let shown = change(&service, id).await;
        assert_eq!((&shown["hidden"], &shown["counts_for_sender"]), (&json!(false), &json!(true)));
        assert_eq!(shown["hidden_from_sender"], user == SENDER);
        assert_eq!(shown["hidden_from_receiver"], user == RECEIVER);
        let _ = delete(other, id).await.expect(200);
        assert!(listed(other, other_user).await.iter().all(|list| !list.contains(&id)));
        let _ = show(&service.service, id).await.expect(200);
        let _ = delete(&service.service, id).await.expect(200);
        let _ = show(&service.service, id).await.expect_error(404, "transaction_not_found");
    }
    let failed = refused(&service, "hold", "insufficient_balance").await;
    let _ = delete(&sender, failed).await.expect(200);
    let _ = show(&sender, failed).await.expect_error(404, "transaction_not_found");
}

#[tokio::test]
async fn in_development_a_caller_without_a_token_deletes_for_everybody() {
    let service = Service::start().await;
    let id = service.create(immediate(1)).await.expect(201).id();
    let _ = delete(&service.anyone, id).await.expect(200);
    for api in [&service.anyone, &service.service, &service.user(SENDER), &service.user(RECEIVER)] {
        let _ = show(api, id).await.expect_error(404, "transaction_not_found");
    }
}

#[tokio::test]
async fn a_receiver_declines_and_does_nothing_else() {
    for service in [in_production().await, Service::start().await] {
        let receiver = service.user(RECEIVER);
        let id = service.pending().await;
        for body in [
            json!({"status": "completed"}),
            json!({"status": "failed"}),
            json!({"status": "pending"}),
            json!({"description": "mine"}),
            json!({"status": "cancelled", "description": "mine"}),
            json!({"status": "completed", "description": "mine"}),
            json!({}),
        ] {
            let _ = update(&receiver, id, body).await.expect_error(403, "forbidden");
        }
        assert_eq!(service.users.verbs(), ["hold"]);
        let declined = update(&receiver, id, json!({"status": "cancelled"})).await.expect(200);
        assert_documented(&declined, &json!({"id": id, "status": "cancelled", "status_reason": "declined"}));
        assert_eq!(service.users.verbs(), ["hold", "release"]);
        let again = update(&receiver, id, json!({"status": "cancelled"})).await.expect(200);
        assert_eq!(again.json, declined.json, "the same status again is no change");
        let by_sender = update(&service.user(SENDER), id, json!({"status": "cancelled"})).await.expect(200);
        assert_eq!(by_sender["status_reason"], "declined");

        let completed = service.create(immediate(1)).await.expect(201).id();
        let late = update(&receiver, completed, json!({"status": "cancelled"})).await;
        let _ = late.expect_error(409, "illegal_status_change");

        service.start_workers();
        service.everything_is_told().await;
        let told = service.notifications.told();
        let fact = told.iter().find(|fact| fact["type"] == "transaction.declined").expect("it is told");
        assert_eq!((&fact["actor"], &fact["data"]["id"]), (&json!(format!("user:{RECEIVER}")), &json!(id)));
    }
}

#[tokio::test]
async fn a_receiver_that_deletes_a_pending_transaction_declines_it() {
    let service = in_production().await;
    let id = service.pending().await;
    let receiver = service.user(RECEIVER);
    let _ = delete(&receiver, id).await.expect(200);
    assert_eq!(service.users.verbs(), ["hold", "release"]);
    let _ = show(&receiver, id).await.expect_error(404, "transaction_not_found");
    let shown = show(&service.user(SENDER), id).await.expect(200);
    assert_documented(&shown, &json!({"status": "cancelled", "status_reason": "declined"}));
}

#[tokio::test]
async fn a_sender_that_deletes_a_pending_transaction_cancels_it_and_the_receiver_still_sees_it() {
    let service = in_production().await;
    let id = service.pending().await;
    let _ = delete(&service.user(SENDER), id).await.expect(200);
    let shown = show(&service.user(RECEIVER), id).await.expect(200);
    assert_documented(&shown, &json!({"status": "cancelled", "status_reason": "cancelled_by_sender"}));
}

#[tokio::test]
async fn of_a_sender_who_completes_and_a_receiver_who_declines_exactly_one_wins() {
    let service = Service::start().await;
    let (sender, receiver) = (service.user(SENDER), service.user(RECEIVER));
    for _ in 0..20 {
        let id = service.pending().await;
        let (completed, declined) = tokio::join!(
            update(&sender, id, json!({"status": "completed"})),
            update(&receiver, id, json!({"status": "cancelled"}))
        );
        let shown = show(&sender, id).await.expect(200);
        let (winner, loser, reason) = if shown["status"] == "completed" {
            (completed, declined, "completed_by_sender")
        } else {
            (declined, completed, "declined")
        };
        assert_eq!((winner.status.as_u16(), loser.status.as_u16()), (200, 409));
        assert_eq!(shown["status_reason"], reason);
    }
}

#[tokio::test]
async fn a_transaction_says_why_it_ended() {
    let service = Service::start().await;
    let sender = service.user(SENDER);
    for (status, verb) in [("completed", "completed"), ("cancelled", "cancelled"), ("failed", "failed")] {
        for (api, who) in [(&sender, "sender"), (&service.service, "service"), (&service.anyone, "anyone")] {
            let pending = service.create(payment(1)).await.expect(201);
            assert_eq!(pending["status_reason"], Value::Null);
            let ended = update(api, pending.id(), json!({"status": status})).await.expect(200);
            assert_eq!(ended["status_reason"], format!("{verb}_by_{who}"));
            assert_eq!(change(&service, pending.id()).await["status_reason"], format!("{verb}_by_{who}"));
        }
    }
    let keyed = service.service.keyed("at-once");
    for _ in 0..2 {
        let created = keyed.post("/transactions", immediate(1)).await.expect(201);
        assert_eq!(created["status_reason"], "completed_at_once");
        assert_eq!(show(&sender, created.id()).await.expect(200)["status_reason"], "completed_at_once");
    }
    // decided one way, and ended another
    let id = service.pending().await;
    service.users.on("capture", Reaction::Refuses("receiver_not_found"));
    let _ = service.decide(id, "completed").await.expect_error(404, "user_not_found");
    assert_eq!(service.show(id).await.expect(200)["status_reason"], "receiver_not_found");
    let id = service.pending().await;
    service.users.on("release", Reaction::Refuses("not_held"));
    let _ = service.decide(id, "cancelled").await.expect_error(409, "illegal_status_change");
    assert_eq!(service.show(id).await.expect(200)["status_reason"], "already_captured");
}
