//! Payments in parts, and what goes back: through all services.

use futures::future::join_all;
use lab::{http::Reply, wallet::Service, world::World};
use serde_json::{Value, json};

async fn capture(world: &World, id: i64, body: Value) -> Reply {
    world.service(Service::Transaction).post(&format!("/transactions/{id}/captures"), body).await
}

async fn refund(world: &World, id: i64, body: Value) -> Reply {
    world.service(Service::Transaction).post(&format!("/transactions/{id}/refunds"), body).await
}

#[tokio::test]
async fn a_shop_captures_a_part_and_refunds_in_two() {
    let world = World::start().await;
    let (ani, budi) = (world.user(20_000).await, world.user(0).await);
    let id = world.pay(&ani, &budi, 10_000).await.expect(201).id();
    let _ = capture(&world, id, json!({"amount": 2_500})).await.expect(201);
    assert_eq!((world.balance(&ani).await, world.balance(&budi).await), ((10_000, 7_500), (2_500, 0)));
    let _ = capture(&world, id, json!({"amount": 3_500, "final": true})).await.expect(201);
    assert_eq!((world.balance(&ani).await, world.balance(&budi).await), ((14_000, 0), (6_000, 0)));
    let _ = refund(&world, id, json!({"amount": 1_000, "reason": "damaged"})).await.expect(201);
    let _ = refund(&world, id, json!({})).await.expect(201);
    assert_eq!((world.balance(&ani).await, world.balance(&budi).await), ((20_000, 0), (0, 0)));
    let _ = refund(&world, id, json!({"amount": 1})).await.expect_error(409, "exceeds_refundable");

    for (user, spent) in [(&ani, 0), (&budi, 0)] {
        let summary = world.service(Service::Report).get(&format!("/summaries/user/{}", user.id)).await.expect(200);
        assert_eq!(
            (&summary["total_spent"], &summary["total_received"]),
            (&json!(spent), &json!(0)),
            "{}",
            summary.text
        );
    }
    world.assert_everything_told().await;
    let mut mails = world.mails(&ani);
    mails.sort_unstable();
    assert_eq!(
        mails,
        [
            "Rp 1,000 has been refunded to you.",
            "Rp 2,500 of your payment of Rp 10,000 has been successfully processed.",
            "Rp 3,500 of your payment of Rp 10,000 has been successfully processed. The remaining Rp 4,000 is back in your \
             balance.",
            "Rp 5,000 has been refunded to you.",
            "Top-up Rp 20,000 successful.",
            "Transaction of Rp 10,000 pending approval.",
        ]
    );
    world.assert_ledger_holds().await;
}

#[tokio::test]
async fn rests_of_more_digits_than_a_request_may_have_go_through_all_services() {
    let amount = 100_000_000_000_001_i64;
    let world = World::start().await;
    let (ani, budi) = (world.user(amount).await, world.user(0).await);
    let id = world.pay(&ani, &budi, amount).await.expect(201).id();
    let _ = capture(&world, id, json!({"amount": "0.01"})).await.expect(201);
    assert_eq!(world.decide(id, "completed").await.expect(200)["captured_amount"], amount);
    let _ = refund(&world, id, json!({"amount": "0.01"})).await.expect(201);
    assert!(refund(&world, id, json!({})).await.expect(201).text.contains(":100000000000000.99,"));
    assert_eq!((world.balance(&ani).await, world.balance(&budi).await), ((amount, 0), (0, 0)));

    let (sender, two) = (ani.id, [budi.id, world.user(0).await.id]);
    let splits = json!([{"receiver_id": two[0], "amount": "33333333333333.5"}, {"receiver_id": two[1], "amount": "66666666666667.5"}]);
    let body =
        json!({"sender_id": sender, "splits": splits, "amount": amount, "description": "x", "auto_complete": true});
    let shared = world.service(Service::Transaction).post("/transactions", body).await.expect(201).id();
    let _ = refund(&world, shared, json!({"amount": "50000000000000.5"})).await.expect(201);
    let _ = refund(&world, shared, json!({})).await.expect(201);
    assert_eq!(world.balance(&ani).await, (amount, 0));

    let report = world.service(Service::Report);
    for user in [ani.id, budi.id, two[1]] {
        let summary = report.get(&format!("/summaries/user/{user}")).await.expect(200);
        assert_eq!((&summary["total_spent"], &summary["total_received"]), (&json!(0), &json!(0)), "{}", summary.text);
    }
    world.assert_everything_told().await;
    assert!(world.mails(&ani).contains(&"Rp 100,000,000,000,000.99 has been refunded to you.".to_owned()));
    world.assert_ledger_holds().await;
}

#[tokio::test]
async fn summaries_follow_parts_and_refunds() {
    let world = World::start().await;
    let (ani, budi) = (world.user(20_000).await, world.user(0).await);
    let sums = async |user: i64| {
        let summary = world.service(Service::Report).get(&format!("/summaries/user/{user}")).await.expect(200);
        (summary["total_transactions"].as_i64(), summary["total_spent"].clone(), summary["total_received"].clone())
    };
    let id = world.pay(&ani, &budi, 10_000).await.expect(201).id();
    let _ = capture(&world, id, json!({"amount": 2_500})).await.expect(201);
    assert_eq!(sums(ani.id).await, (Some(1), json!(2_500), json!(0)), "while it is pending");
    let _ = refund(&world, id, json!({"amount": 500})).await.expect(201);
    assert_eq!(sums(ani.id).await, (Some(2), json!(2_000), json!(0)));
    let _ = world.decide(id, "cancelled").await.expect(200);
    assert_eq!(sums(ani.id).await, (Some(2), json!(2_000), json!(0)));
    assert_eq!(sums(budi.id).await, (Some(2), json!(0), json!(2_000)));
    let _ = world.service(Service::Report).post_empty("/sync/all").await.expect(200);
    assert_eq!(sums(budi.id).await, (Some(2), json!(0), json!(2_000)));
    let _ = refund(&world, id, json!({})).await.expect(201);
    assert_eq!(sums(budi.id).await, (Some(3), json!(0), json!(0)), "a refund long after the payment");
}

#[tokio::test]
async fn of_refunds_at_once_no_more_goes_back_than_was_captured() {
    let world = World::start().await;
    let (ani, budi) = (world.user(20_000).await, world.user(5_000).await);
    let id = world.pay(&ani, &budi, 10_000).await.expect(201).id();
    let _ = capture(&world, id, json!({"amount": 6_000, "final": true})).await.expect(201);
    let answers = join_all((0..10).map(|_| refund(&world, id, json!({"amount": 2_500})))).await;
    let given = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(given, 2);
    for refused in answers.into_iter().filter(|answer| answer.status != 201) {
        let _ = refused.expect_error(409, "exceeds_refundable");
    }
    assert_eq!((world.balance(&ani).await, world.balance(&budi).await), ((19_000, 0), (6_000, 0)));
    let shown = world.service(Service::Transaction).get(&format!("/transactions/{id}")).await.expect(200);
    assert_eq!(shown["refunded_amount"], 5_000);
    world.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_payer_who_has_gone_gets_no_refund_and_the_money_stays() {
    let world = World::start().await;
    let (ani, budi) = (world.user(10_000).await, world.user(0).await);
    let id = world.pay(&ani, &budi, 10_000).await.expect(201).id();
    let _ = world.decide(id, "completed").await.expect(200);
    let _ = world.service(Service::User).delete(&format!("/users/{}", ani.id)).await.expect(200);
    let _ = refund(&world, id, json!({"amount": 1_000})).await.expect_error(409, "receiver_unavailable");
    assert_eq!(world.balance(&budi).await, (10_000, 0));
    world.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_receiver_closes_the_account_only_when_nothing_is_held_for_it() {
    let world = World::start().await;
    let (ani, budi) = (world.user(10_000).await, world.user(0).await);
    let id = world.pay(&ani, &budi, 10_000).await.expect(201).id();
    let _ = capture(&world, id, json!({"amount": 1_000})).await.expect(201);
    let users = world.service(Service::User);
    let path = format!("/users/{}", budi.id);
    let _ = users.delete(&path).await.expect_error(409, "pending_transactions");
    let _ = world.decide(id, "cancelled").await.expect(200);
    assert_eq!(users.delete(&path).await.expect(200)["paid_out"], 1_000);
    world.assert_ledger_holds().await;
}
