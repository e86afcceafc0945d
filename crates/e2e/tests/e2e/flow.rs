//! The main job, and the original documentation's recommended flow, in its order.

use lab::{
    wallet::Service,
    world::{World, payment},
};
use serde_json::json;

#[tokio::test]
async fn two_people_register_one_pays_the_other_both_are_mailed_and_the_report_shows_it() {
    let world = World::start().await;
    let (ani, budi) = (world.user(0).await, world.user(0).await);

    let users = world.api(Service::User).as_user(&ani.token);
    let topped_up = users.post(&format!("/users/{}/topup", ani.id), json!({"amount": 100_000})).await.expect(200);
    assert_eq!(topped_up.json, json!({"id": ani.id, "balance": 100_000}));
    world.assert_everything_told().await; // each service tells in its own order, beside the other

    let created = world.pay(&ani, &budi, 10_000).await.expect(201);
    assert_eq!(created["status"], "pending");
    assert_eq!((world.balance(&ani).await, world.balance(&budi).await), ((90_000, 10_000), (0, 0)));

    let completed = world.decide(created.id(), "completed").await.expect(200);
    assert_eq!(completed["status"], "completed");
    assert_eq!((world.balance(&ani).await, world.balance(&budi).await), ((90_000, 0), (10_000, 0)));

    world.assert_everything_told().await;
    assert_eq!(
        world.mails(&ani),
        [
            "Top-up Rp 100,000 successful.",
            "Transaction of Rp 10,000 pending approval.",
            "Your payment of Rp 10,000 has been successfully processed."
        ]
    );
    assert_eq!(world.mails(&budi), ["You have received Rp 10,000."]);

    let reports = world.service(Service::Report);
    let report = json!({"user_id": ani.id, "transaction_id": created.id()});
    assert_eq!(reports.post("/reports", report).await.expect(201)["status"], "generated");
    let list = reports.get(&format!("/reports/user/{}?page=1&per_page=50", ani.id)).await.expect(200);
    assert_eq!((&list["total"], &list["reports"][0]["status"]), (&json!(1), &json!("completed")));
    let summary = reports.get(&format!("/summaries/user/{}", budi.id)).await.expect(200);
    assert_eq!((&summary["total_received"], &summary["total_spent"]), (&json!(10_000), &json!(0)));
    world.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_one_step_transfer_is_completed_when_it_is_answered() {
    let world = World::start().await;
    let (ani, budi) = (world.user(500).await, world.user(0).await);
    let mut body = payment(&ani, &budi, 300);
    body["auto_complete"] = json!(true);
    let sender = world.api(Service::Transaction).as_user(&ani.token);
    assert_eq!(sender.post("/transactions", body).await.expect(201)["status"], "completed");
    assert_eq!((world.balance(&ani).await, world.balance(&budi).await), ((200, 0), (300, 0)));
    world.assert_ledger_holds().await;
}

#[tokio::test]
async fn money_that_cannot_be_paid_is_refused_and_kept_as_a_failed_transaction() {
    let world = World::start().await;
    let (ani, budi) = (world.user(50).await, world.user(0).await);
    world.assert_everything_told().await; // each service tells in its own order, beside the other
    let refused = world.pay(&ani, &budi, 51).await.expect_error(400, "insufficient_balance");
    let id = refused["transaction_id"].as_i64().expect("the transaction's id");
    assert_eq!(world.status(id).await, "failed");

    let mut to_nobody = payment(&ani, &budi, 10);
    to_nobody["receiver_id"] = json!(999_999);
    let transactions = world.service(Service::Transaction);
    let _ = transactions.post("/transactions", to_nobody).await.expect_error(404, "user_not_found");
    assert_eq!(world.balance(&ani).await, (50, 0));
    world.assert_everything_told().await;
    assert_eq!(
        world.told(&ani).await,
        [
            "Top-up Rp 50 successful.",
            "Transaction of Rp 51 failed: your balance is too low.",
            "Transaction of Rp 10 failed: the receiver does not exist."
        ]
    );
}

#[tokio::test]
async fn a_user_acts_for_itself_only() {
    let world = World::start().await;
    let (ani, budi) = (world.user(100).await, world.user(0).await);
    let as_budi = world.api(Service::Transaction).as_user(&budi.token);
    let _ = as_budi.post("/transactions", payment(&ani, &budi, 10)).await.expect_error(403, "forbidden");
    let id = world.pay(&ani, &budi, 10).await.expect(201).id();
    let completion = json!({"status": "completed"});
    let _ = as_budi.put(&format!("/transactions/{id}"), completion).await.expect_error(403, "forbidden");
    let _ = as_budi.get(&format!("/transactions/{id}")).await.expect(200);
    let stranger = world.api(Service::Transaction).as_user(&world.user(0).await.token);
    let _ = stranger.get(&format!("/transactions/{id}")).await.expect_error(403, "forbidden");
}

#[tokio::test]
async fn an_account_with_pending_money_cannot_be_closed() {
    let world = World::start().await;
    let (ani, budi) = (world.user(100).await, world.user(0).await);
    let id = world.pay(&ani, &budi, 40).await.expect(201).id();
    for user in [&ani, &budi] {
        let api = world.api(Service::User).as_user(&user.token);
        let _ = api.delete(&format!("/users/{}", user.id)).await.expect_error(409, "pending_transactions");
    }
    let deleted = world.service(Service::Transaction).delete(&format!("/transactions/{id}")).await.expect(200);
    assert_eq!(deleted["message"], "Transaction deleted successfully");
    assert_eq!(world.balance(&ani).await, (100, 0));
    let api = world.api(Service::User).as_user(&ani.token);
    assert_eq!(api.delete(&format!("/users/{}", ani.id)).await.expect(200)["message"], "User deleted successfully");
    world.assert_ledger_holds().await;
}

#[tokio::test]
async fn the_summaries_equal_the_ledger_after_a_full_synchronization() {
    let world = World::start().await;
    let people = [world.user(10_000).await, world.user(10_000).await, world.user(10_000).await];
    let mut spent = [0_i64; 3];
    let mut received = [0_i64; 3];
    for n in 0..30_usize {
        let (from, to) = (n % 3, (n + 1 + n % 2) % 3);
        let amount = i64::try_from(n).unwrap() + 1;
        let id = world.pay(&people[from], &people[to], amount).await.expect(201).id();
        let decision = ["completed", "cancelled", "completed"][n % 3];
        let _ = world.decide(id, decision).await.expect(200);
        if decision == "completed" {
            spent[from] += amount;
            received[to] += amount;
        }
    }
    let reports = world.service(Service::Report);
    let synced = reports.post_empty("/sync/all").await.expect(200);
    assert_eq!((&synced["synced_users"], &synced["synced_transactions"]), (&json!(3), &json!(30)));
    assert_eq!(synced["message"], "Reports synchronized successfully");
    for (n, user) in people.iter().enumerate() {
        let summary = reports.get(&format!("/summaries/user/{}", user.id)).await.expect(200);
        assert_eq!((&summary["total_spent"], &summary["total_received"]), (&json!(spent[n]), &json!(received[n])));
        assert_eq!(world.balance(user).await, (10_000 - spent[n] + received[n], 0));
    }
}
