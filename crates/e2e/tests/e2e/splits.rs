//! Payments with several receivers: through all services.

use futures::future::join_all;
use lab::{
    http::{Reply, eventually},
    wallet::Service,
    world::{User, World},
};
use money::Money;
use serde_json::{Value, json};

async fn post(world: &World, path: &str, body: Value) -> Reply {
    world.service(Service::Transaction).post(path, body).await
}

/// What each can spend.
async fn balances(world: &World, users: &[&User]) -> Vec<String> {
    let mut all = Vec::new();
    for user in users {
        let reply = world.service(Service::User).get(&format!("/users/{}/balance", user.id)).await.expect(200);
        all.push(reply["balance"].to_string());
    }
    all
}

/// What each has spent and received.
async fn sums(world: &World, users: &[&User]) -> Vec<(Money, Money)> {
    let mut all = Vec::new();
    for user in users {
        let path = format!("/summaries/user/{}", user.id);
        let summary: Value = world.service(Service::Report).get(&path).await.expect(200).json;
        let sum = |member: &str| serde_json::from_str(&summary[member].to_string()).unwrap();
        all.push((sum("total_spent"), sum("total_received")));
    }
    all
}

#[tokio::test]
async fn a_hundred_by_three_is_paid_part_by_part_and_goes_back_to_the_cent() {
    let world = World::start().await;
    let (ani, [budi, citra, dewi]) =
        (world.user(100).await, [world.user(0).await, world.user(0).await, world.user(0).await]);
    let all = [&ani, &budi, &citra, &dewi];
    let splits: Vec<Value> = [(&budi, "33.34"), (&citra, "33.33"), (&dewi, "33.33")]
        .map(|(user, amount)| json!({"receiver_id": user.id, "amount": amount}))
        .to_vec();
    let body = json!({"sender_id": ani.id, "amount": 100, "splits": splits, "description": "Order 7"});
    let id = post(&world, "/transactions", body).await.expect(201).id();
    assert_eq!(world.balance(&ani).await, (0, 100));
    let path = format!("/transactions/{id}");
    let _ = post(&world, &format!("{path}/captures"), json!({"amount": "0.01"})).await.expect(201);
    assert_eq!(balances(&world, &all).await, ["0", "0.01", "0", "0"]);
    let _ = post(&world, &format!("{path}/captures"), json!({"amount": "49.99", "final": true})).await.expect(201);
    assert_eq!(balances(&world, &all).await, ["50", "16.68", "16.66", "16.66"]);
    world.assert_ledger_holds().await;
    let money = |text: &str| serde_json::from_str::<Money>(text).unwrap();
    let received = ["16.68", "16.66", "16.66"].map(|text| (Money::ZERO, money(text)));
    assert_eq!(sums(&world, &all[1..]).await, received);

    // all or none: nobody gives back as long as one is short
    let debit = |user: &User| format!("/users/{}/debit", user.id);
    let _ = world.service(Service::User).post(&debit(&dewi), json!({"amount": 1})).await.expect(200);
    let _ = post(&world, &format!("{path}/refunds"), json!({})).await.expect_error(400, "insufficient_balance");
    assert_eq!(balances(&world, &all).await, ["50", "16.68", "16.66", "15.66"]);
    let topup = format!("/users/{}/topup", dewi.id);
    let _ = world.service(Service::User).post(&topup, json!({"amount": 1})).await.expect(200);
    for amount in ["0.01", "0.01", "33.33"] {
        let _ = post(&world, &format!("{path}/refunds"), json!({"amount": amount})).await.expect(201);
    }
    let _ = post(&world, &format!("{path}/refunds"), json!({})).await.expect(201);
    assert_eq!(balances(&world, &all).await, ["100", "0", "0", "0"]);
    assert_eq!(sums(&world, &all).await, [(Money::ZERO, Money::ZERO); 4]);
    world.assert_everything_told().await;
    assert!(world.mails(&citra).iter().all(|mail| !mail.contains("50") && !mail.contains("16.68")));
    world.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_fee_is_paid_with_the_payment_and_goes_back_with_it() {
    let world = World::start().await;
    let (ani, budi, fees) = (world.user(1_000).await, world.user(0).await, world.user(0).await);
    let fee = json!({"receiver_id": fees.id, "amount": 100});
    let body = json!({"sender_id": ani.id, "receiver_id": budi.id, "amount": 1_000, "fee": fee, "auto_complete": true});
    let id = post(&world, "/transactions", body).await.expect(201).id();
    assert_eq!(balances(&world, &[&ani, &budi, &fees]).await, ["0", "900", "100"]);
    let refund = post(&world, &format!("/transactions/{id}/refunds"), json!({})).await.expect(201);
    assert_eq!(balances(&world, &[&ani, &budi, &fees]).await, ["1000", "0", "0"]);
    for (user, own) in [(&budi, 900), (&fees, 100)] {
        let api = world.api(Service::Transaction).as_user(&user.token);
        let seen = api.get(&format!("/transactions/{}", refund.id())).await.expect(200);
        assert_eq!((&seen["amount"], &seen["sender_id"]), (&json!(own), &json!(user.id)));
    }
    world.assert_ledger_holds().await;
}

#[tokio::test]
async fn batches_and_schedules_pay_several_and_their_fees() {
    let world = World::start().await;
    let (ani, budi, fees) = (world.user(1_000).await, world.user(0).await, world.user(0).await);
    let all = [&ani, &budi, &fees];
    let splits = json!([{"receiver_id": budi.id, "amount": "66.67"}, {"receiver_id": fees.id, "amount": "33.33"}]);
    let split = json!({"sender_id": ani.id, "amount": 100, "auto_complete": true, "splits": splits});
    let fee = json!({"receiver_id": fees.id, "amount": 10});
    let with_fee =
        json!({"sender_id": ani.id, "receiver_id": budi.id, "amount": 100, "auto_complete": true, "fee": fee});
    let batch = json!({"atomic": true, "transactions": [split.clone(), with_fee.clone()]});
    let made = post(&world, "/transactions/batch", batch).await.expect(201);
    assert_eq!(balances(&world, &all).await, ["800", "156.67", "43.33"]);
    let id = &made["results"][0]["transaction_id"];
    let _ = post(&world, &format!("/transactions/{id}/refunds"), json!({"amount": "0.05"})).await.expect(201);
    assert_eq!(balances(&world, &all).await, ["800.05", "156.64", "43.31"]);
    let too_much = json!({"atomic": true, "transactions": [split.clone(), {"sender_id": budi.id, "amount": 300, "splits": [
        {"receiver_id": ani.id, "amount": 299}, {"receiver_id": fees.id, "amount": 1},
    ]}]});
    let _ = post(&world, "/transactions/batch", too_much).await.expect_error(400, "insufficient_balance");
    assert_eq!(balances(&world, &all).await, ["800.05", "156.64", "43.31"]);

    let today = sqlx::query_scalar("SELECT DATE_FORMAT(NOW() + INTERVAL 7 HOUR, '%Y-%m-%d')");
    let today: String = today.fetch_one(&world.pool(Service::Transaction)).await.unwrap();
    for transaction in [split, with_fee] {
        let schedule = json!({"transaction": transaction, "every": "month", "start": today});
        let _ = post(&world, "/schedules", schedule).await.expect(201);
    }
    eventually("both to run", async || (balances(&world, &all).await == ["600.05", "313.31", "86.64"]).then_some(()))
        .await;
    let entries = eventually("all entries", async || {
        let path = format!("/entries/user/{}?limit=10", fees.id);
        let entries = world.service(Service::Report).get(&path).await.expect(200);
        (entries.json.as_array().unwrap().len() == 5).then_some(entries)
    })
    .await;
    let kinds: Vec<&str> =
        entries.json.as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "fee").count(), 2, "{}", entries.text);
    world.assert_everything_told().await;
    world.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_batch_with_the_most_receivers_is_made_told_and_taken_over() {
    let world = World::start().await;
    let ani = world.user(2_000).await;
    let others: Vec<User> = join_all((0..20).map(|_| world.user(0))).await;
    let splits: Vec<Value> = others.iter().map(|user| json!({"receiver_id": user.id, "amount": 1})).collect();
    let split = json!({"sender_id": ani.id, "amount": 20, "auto_complete": true, "splits": splits, "reference": "PAY"});
    let batch = json!({"atomic": true, "transactions": vec![split; 100]});
    let made = post(&world, "/transactions/batch", batch).await.expect(201);
    assert_eq!((&made["status"], world.balance(&ani).await), (&json!("completed"), (0, 0)));
    for user in &others {
        assert_eq!(world.balance(user).await, (100, 0));
    }
    eventually("the last one's entries", async || {
        let summary = world.service(Service::Report).get(&format!("/balances/user/{}", others[19].id)).await;
        (summary["balance"] == 100).then_some(())
    })
    .await;
    let path = format!("/transactions/user/{}?reference=PAY&limit=100", others[7].id);
    let found = world.service(Service::Transaction).get(&path).await.expect(200);
    assert_eq!(found.json.as_array().unwrap().len(), 100);
    // their mails are sent little by little
    let told = "SELECT COUNT(*) FROM notifications WHERE fact_id LIKE 'transaction:%:completed'";
    eventually("all to be notified", async || {
        let notified: i64 = sqlx::query_scalar(told).fetch_one(&world.pool(Service::Notification)).await.unwrap();
        (notified == 2_000).then_some(())
    })
    .await;
    world.assert_ledger_holds().await;
}
