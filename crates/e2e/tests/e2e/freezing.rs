//! Limits, and accounts that are frozen or locked: through all services, to the mail.

use futures::future::join_all;
use lab::{
    http::{Reply, eventually},
    wallet::Service,
    world::{User, World, own_routes, payment},
};
use serde_json::{Value, json};

async fn put_state(world: &World, user: &User, state: &str) {
    let body = json!({"state": state, "reason": "A test."});
    let _ = world.service(Service::User).put(&format!("/users/{}/state", user.id), body).await.expect(200);
}

async fn limit(world: &World, user: &User, limits: Value) {
    let _ = world.service(Service::User).put(&format!("/users/{}/limits", user.id), limits).await.expect(200);
}

/// `POST /transactions` by the sender itself.
async fn pay(world: &World, sender: &User, receiver: &User, amount: i64) -> Reply {
    world
        .api(Service::Transaction)
        .as_user(&sender.token)
        .post("/transactions", payment(sender, receiver, amount))
        .await
}

#[tokio::test]
async fn a_frozen_account_is_paid_and_pays_nothing_until_it_is_free_again() {
    let world = World::start().await;
    let (ani, budi) = (world.user(1_000).await, world.user(1_000).await);
    let set_aside = pay(&world, &ani, &budi, 100).await.expect(201).id();
    let other = pay(&world, &ani, &budi, 50).await.expect(201).id();
    let own = world.api(Service::Transaction).as_user(&ani.token);
    let received = world.service(Service::Transaction);
    let mut at_once = payment(&budi, &ani, 30);
    at_once["auto_complete"] = json!(true);
    let paid = received.post("/transactions", at_once).await.expect(201).id();

    put_state(&world, &ani, "frozen").await;
    let _ = pay(&world, &ani, &budi, 10).await.expect_error(403, "account_frozen");
    let path = format!("/transactions/{set_aside}");
    let _ = own.put(&path, json!({"status": "completed"})).await.expect_error(403, "account_frozen");
    let _ = own.put(&path, json!({"status": "cancelled"})).await.expect_error(403, "account_frozen");
    let _ = own.post(&format!("{path}/captures"), json!({"amount": 1})).await.expect_error(403, "account_frozen");
    let _ = own.post(&format!("/transactions/{paid}/refunds"), json!({})).await.expect_error(403, "account_frozen");
    assert_eq!((world.status(set_aside).await, world.balance(&ani).await), ("pending".to_owned(), (880, 150)));
    let _ = pay(&world, &budi, &ani, 20).await.expect(201);
    world.assert_works_everywhere(&ani).await;

    let _ = world.decide(set_aside, "completed").await.expect(200);
    let _ = received.post(&format!("/transactions/{paid}/refunds"), json!({})).await.expect(201);
    let _ = world.decide(other, "cancelled").await.expect(200);
    assert_eq!(world.balance(&ani).await, (900, 0));
    put_state(&world, &ani, "active").await;
    let _ = pay(&world, &ani, &budi, 10).await.expect(201);
    world.assert_everything_told().await;
    assert!(world.mails(&ani).contains(&"Transaction of Rp 10 failed: your account is frozen.".to_owned()));
    world.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_payer_does_not_learn_why_a_locked_account_cannot_be_paid() {
    let world = World::start().await;
    let (ani, budi) = (world.user(1_000).await, world.user(100).await);
    let pending = pay(&world, &ani, &budi, 100).await.expect(201).id();
    put_state(&world, &budi, "locked").await;
    let refused = pay(&world, &ani, &budi, 10).await.expect_error(409, "receiver_unavailable");
    let own = world.api(Service::Transaction).as_user(&ani.token);
    let failed = own.get(&format!("/transactions/{}", refused["transaction_id"])).await.expect(200);
    assert_eq!(failed["status_reason"], "receiver_unavailable");
    let completed = own.put(&format!("/transactions/{pending}"), json!({"status": "completed"})).await;
    let _ = completed.expect_error(409, "receiver_unavailable");
    let failed = own.get(&format!("/transactions/{pending}")).await.expect(200);
    assert_eq!((&failed["status"], &failed["status_reason"]), (&json!("failed"), &json!("receiver_unavailable")));
    for answer in [refused, failed] {
        assert!(!answer.text.contains("locked") && !answer.text.contains("frozen"), "{}", answer.text);
    }

    for (service, path) in own_routes(&budi) {
        let api = world.api(service).as_user(&budi.token);
        eventually("the token to end", async || (api.get(&path).await.status == 401).then_some(())).await;
    }
    world.assert_everything_told().await;
    let why = "failed: the receiver cannot be paid at the moment";
    assert!(world.mails(&ani).iter().any(|mail| mail.contains(why)), "{:?}", world.mails(&ani));
    world.assert_ledger_holds().await;
}

#[tokio::test]
async fn payments_at_once_do_not_pass_a_limit_and_say_what_is_left() {
    let world = World::start().await;
    let (ani, budi) = (world.user(10_000).await, world.user(0).await);
    limit(&world, &ani, json!({"per_day": 1_000})).await;
    let answers = join_all((0..20).map(|_| pay(&world, &ani, &budi, 300))).await;
    let (made, refused): (Vec<Reply>, Vec<Reply>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(made.len(), 3);
    for answer in refused {
        let answer = answer.expect_error(400, "limit_exceeded");
        assert_eq!((&answer["limit"], &answer["remaining"]), (&json!("per_day"), &json!(100)));
        assert!(answer["resets_at"].as_str().is_some_and(|at| at.ends_with(".000000Z")), "{}", answer.text);
    }
    let _ = world.decide(made[0].id(), "cancelled").await.expect(200);
    let _ = pay(&world, &ani, &budi, 400).await.expect(201);
    let payment = json!({"sender_id": ani.id, "receiver_id": budi.id, "amount": 1});
    for atomic in [false, true] {
        let batch = json!({"atomic": atomic, "transactions": [payment.clone()]});
        let answer = world.service(Service::Transaction).post("/transactions/batch", batch).await;
        let refused =
            if atomic { answer.expect_error(400, "limit_exceeded").json } else { answer["results"][0].clone() };
        assert_eq!((&refused["limit"], &refused["remaining"]), (&json!("per_day"), &json!(0)), "{refused}");
        assert!(refused["resets_at"].as_str().is_some_and(|at| at.ends_with(".000000Z")), "{refused}");
    }
    let own = world.api(Service::User).as_user(&ani.token);
    let shown = own.get(&format!("/users/{}/limits", ani.id)).await.expect(200);
    assert_eq!((&shown["day"]["used"], &shown["day"]["remaining"]), (&json!(1_000), &json!(0)));
    world.assert_ledger_holds().await;
}
