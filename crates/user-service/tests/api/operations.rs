//! `POST /internal/operations`: the steps of transactions.

use money::Money;
use serde_json::{Value, json};

use crate::support::{Balance, Service, User, assert_names_field, capture, hold, refund, release, transfer};

/// A service with a sender who has 100 and a receiver who has nothing.
async fn pair() -> (Service, User, User) {
    let service = Service::start().await;
    let (sender, receiver) = (service.user("sender", 100).await, service.user("receiver", 0).await);
    (service, sender, receiver)
}

async fn balances(service: &Service, sender: &User, receiver: &User) -> (Balance, Balance) {
    (service.balance(sender).await, service.balance(receiver).await)
}

#[tokio::test]
async fn a_hold_sets_money_aside_and_a_capture_pays_it() {
    let (service, sender, receiver) = pair().await;
    assert_eq!(service.execute(json!([hold(1, &sender, &receiver, 60)])).await, ["applied"]);
    assert_eq!(balances(&service, &sender, &receiver).await, (Balance::new(40, 60), Balance::new(0, 0)));
    assert_eq!(service.execute(json!([capture(1, 2, &sender, &receiver, 60)])).await, ["applied"]);
    assert_eq!(balances(&service, &sender, &receiver).await, (Balance::new(40, 0), Balance::new(60, 0)));
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn each_step_of_a_transaction_has_a_number_and_takes_effect_once() {
    let (service, sender, receiver) = pair().await;
    let steps = [
        hold(1, &sender, &receiver, 60),
        capture(1, 2, &sender, &receiver, 20),
        capture(1, 3, &sender, &receiver, 20),
        release(1, 4, &sender, &receiver),
    ];
    for _ in 0..2 {
        for step in &steps {
            assert_eq!(service.execute(json!([step])).await, ["applied"]);
        }
        assert_eq!(balances(&service, &sender, &receiver).await, (Balance::new(60, 0), Balance::new(40, 0)));
    }
    let others = json!([
        capture(1, 2, &sender, &receiver, 21),
        release(1, 3, &sender, &receiver),
        capture(1, 4, &sender, &receiver, 20),
        capture(1, 5, &sender, &receiver, 1)
    ]);
    let reused = "reference_reused";
    assert_eq!(service.execute(others).await, [reused, reused, reused, "not_held"]);
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_batch_is_one_operation_of_several_transactions() {
    let (service, sender, receiver) = pair().await;
    let batch = |id: i64, steps: Value| json!([{"batch": {"batch_id": id, "steps": steps}}]);
    let steps = json!([transfer(1, &sender, &receiver, 30), hold(2, &sender, &receiver, 50)]);
    for _ in 0..2 {
        assert_eq!(service.execute(batch(1, steps.clone())).await, ["applied"]);
        assert_eq!(balances(&service, &sender, &receiver).await, (Balance::new(20, 50), Balance::new(30, 0)));
    }
    let more = json!([transfer(3, &sender, &receiver, 20), transfer(4, &sender, &receiver, 1)]);
    for _ in 0..2 {
        assert_eq!(service.execute(batch(2, more.clone())).await, ["insufficient_balance"]);
    }
    assert_eq!(service.execute(batch(1, more)).await, ["reference_reused"]);
    assert_eq!(service.execute(json!([capture(2, 2, &sender, &receiver, 50)])).await, ["applied"]);
    assert_eq!(balances(&service, &sender, &receiver).await, (Balance::new(20, 0), Balance::new(80, 0)));
    let legs: Vec<(i64, Option<i64>)> = sqlx::query_as(
        "SELECT e.leg, e.transaction_id FROM ledger_entries e JOIN operations o ON o.id = e.operation_id
         WHERE o.reference = 'batch:1' ORDER BY e.leg",
    )
    .fetch_all(&service.database.pool())
    .await
    .unwrap();
    assert_eq!(legs, [(0, Some(1)), (1, Some(1)), (2, Some(2)), (3, Some(2))]);
    service.assert_ledger_holds().await;
    for (steps, field) in [
        (json!([]), "operations[0].steps"),
        (json!(vec![transfer(9, &sender, &receiver, 1); 1001]), "operations[0].steps"),
        (json!([transfer(9, &sender, &sender, 1)]), "operations[0].receiver_id"),
    ] {
        let body = json!({"operations": batch(3, steps)});
        assert_names_field(service.service.post("/internal/operations", body).await, "invalid_value", field);
    }
}

#[tokio::test]
async fn a_final_capture_gives_the_rest_back_once() {
    let (service, sender, receiver) = pair().await;
    let mut last = capture(1, 2, &sender, &receiver, 20);
    last["capture"]["final"] = json!(true);
    assert_eq!(service.execute(json!([hold(1, &sender, &receiver, 60)])).await, ["applied"]);
    for _ in 0..2 {
        assert_eq!(service.execute(json!([last])).await, ["applied"]);
        assert_eq!(balances(&service, &sender, &receiver).await, (Balance::new(80, 0), Balance::new(20, 0)));
    }
    assert_eq!(service.execute(json!([capture(1, 2, &sender, &receiver, 20)])).await, ["reference_reused"]);
    assert_eq!(service.execute(json!([release(1, 3, &sender, &receiver)])).await, ["not_held"]);
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn refunds_give_back_no_more_than_was_captured_each_of_them_once() {
    let (service, sender, receiver) = pair().await;
    let paid = json!([transfer(1, &sender, &receiver, 60), refund(2, 1, &receiver, &sender, 40)]);
    for _ in 0..2 {
        assert_eq!(service.execute(paid.clone()).await, ["applied", "applied"]);
        assert_eq!(balances(&service, &sender, &receiver).await, (Balance::new(80, 0), Balance::new(20, 0)));
    }
    let refused = json!([
        refund(3, 1, &receiver, &sender, 21),
        refund(2, 1, &receiver, &sender, 41),
        refund(4, 1, &sender, &receiver, 1),
        refund(5, 9, &receiver, &sender, 1),
    ]);
    let expected = ["exceeds_refundable", "reference_reused", "not_held", "not_held"];
    assert_eq!(service.execute(refused).await, expected);
    assert_eq!(service.execute(json!([refund(6, 1, &receiver, &sender, 20)])).await, ["applied"]);
    assert_eq!(
        service.execute(json!([refund(3, 1, &receiver, &sender, 21)])).await,
        ["exceeds_refundable"],
        "for good"
    );
    let oneself =
        service.service.post("/internal/operations", json!({"operations": [refund(7, 1, &sender, &sender, 1)]}));
    assert_names_field(oneself.await, "invalid_value", "operations[0].receiver_id");
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn the_first_step_is_a_hold_or_a_transfer() {
    let (service, sender, receiver) = pair().await;
    for step in [
        capture(1, 1, &sender, &receiver, 60),
        capture(1, 0, &sender, &receiver, 60),
        release(1, 1, &sender, &receiver),
    ] {
        let refused = service.service.post("/internal/operations", json!({"operations": [step]})).await;
        assert_names_field(refused, "invalid_value", "operations[0].step");
    }
}

#[tokio::test]
async fn a_release_gives_back_what_was_set_aside() {
    let (service, sender, receiver) = pair().await;
    assert_eq!(service.execute(json!([hold(1, &sender, &receiver, 60)])).await, ["applied"]);
    assert_eq!(service.execute(json!([release(1, 2, &sender, &receiver)])).await, ["applied"]);
    assert_eq!(balances(&service, &sender, &receiver).await, (Balance::new(100, 0), Balance::new(0, 0)));
    assert_eq!(service.execute(json!([capture(1, 3, &sender, &receiver, 60)])).await, ["not_held"]);
    assert_eq!(balances(&service, &sender, &receiver).await, (Balance::new(100, 0), Balance::new(0, 0)));
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn money_that_is_set_aside_between_two_is_not_moved_between_others() {
    let (service, sender, receiver) = pair().await;
    let other = service.user("other", 0).await;
    assert_eq!(service.execute(json!([hold(1, &sender, &receiver, 60)])).await, ["applied"]);
    let others = json!([
        capture(1, 2, &sender, &other, 60),
        capture(1, 3, &other, &receiver, 60),
        release(1, 4, &receiver, &sender),
    ]);
    assert_eq!(service.execute(others).await, ["not_held", "not_held", "not_held"]);
    assert_eq!(balances(&service, &sender, &receiver).await, (Balance::new(40, 60), Balance::new(0, 0)));
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_transfer_moves_money_at_once_and_is_not_released() {
    let (service, sender, receiver) = pair().await;
    assert_eq!(service.execute(json!([transfer(1, &sender, &receiver, 60)])).await, ["applied"]);
    assert_eq!(
        service.execute(json!([release(1, 2, &sender, &receiver), capture(1, 3, &sender, &receiver, 60)])).await,
        ["not_held", "not_held"]
    );
    assert_eq!(balances(&service, &sender, &receiver).await, (Balance::new(40, 0), Balance::new(60, 0)));
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_step_that_is_asked_again_is_answered_again_and_moves_nothing() {
    let (service, sender, receiver) = pair().await;
    let steps = [
        (hold(1, &sender, &receiver, 60), "applied"),
        (hold(2, &sender, &receiver, 1000), "insufficient_balance"),
        (capture(1, 2, &sender, &receiver, 60), "applied"),
        (transfer(3, &sender, &receiver, 10), "applied"),
        (hold(4, &sender, &receiver, 5), "applied"),
        (release(4, 2, &sender, &receiver), "applied"),
    ];
    for (step, outcome) in &steps {
        assert_eq!(service.execute(json!([step])).await, [*outcome]);
    }
    let after = (Balance::new(30, 0), Balance::new(70, 0));
    assert_eq!(balances(&service, &sender, &receiver).await, after);
    let _ = sender.top_up(2000).await.expect(200);
    for (step, outcome) in steps.iter().rev() {
        assert_eq!(service.execute(json!([step])).await, [*outcome], "{step}");
    }
    assert_eq!(balances(&service, &sender, &receiver).await, (Balance::new(2030, 0), after.1));
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_late_hold_after_release_is_refused() {
    let (service, sender, receiver) = pair().await;
    assert_eq!(
        service.execute(json!([release(1, 2, &sender, &receiver), release(2, 2, &sender, &receiver)])).await,
        ["applied", "applied"]
    );
    assert_eq!(service.execute(json!([hold(1, &sender, &receiver, 60)])).await, ["not_held"]);
    assert_eq!(service.execute(json!([transfer(2, &sender, &receiver, 60)])).await, ["not_held"]);
    assert_eq!(balances(&service, &sender, &receiver).await, (Balance::new(100, 0), Balance::new(0, 0)));
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn another_payload_under_a_known_transaction_is_refused() {
    let (service, sender, receiver) = pair().await;
    assert_eq!(service.execute(json!([hold(1, &sender, &receiver, 60)])).await, ["applied"]);
    let others =
        [hold(1, &sender, &receiver, 61), hold(1, &receiver, &sender, 60), transfer(1, &sender, &receiver, 60)];
    for other in others {
        assert_eq!(service.execute(json!([other])).await, ["reference_reused"]);
    }
    assert_eq!(service.execute(json!([hold(1, &sender, &receiver, 60)])).await, ["applied"]);
    assert_eq!(balances(&service, &sender, &receiver).await, (Balance::new(40, 60), Balance::new(0, 0)));
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_list_is_carried_out_in_order_and_each_step_for_itself() {
    let (service, sender, receiver) = pair().await;
    let nobody = json!({"transaction_id": 6, "sender_id": 999_999, "receiver_id": sender.id, "amount": 1});
    let to_nobody = json!({"transaction_id": 7, "sender_id": sender.id, "receiver_id": 999_999, "amount": 1});
    let outcomes = service
        .execute(json!([
            hold(1, &sender, &receiver, 60),
            hold(2, &sender, &receiver, 50),
            capture(1, 2, &sender, &receiver, 60),
            transfer(3, &receiver, &sender, 60),
            hold(4, &sender, &receiver, 100),
            release(4, 2, &sender, &receiver),
            release(5, 2, &sender, &receiver),
            {"hold": nobody},
            {"transfer": to_nobody},
            capture(8, 2, &sender, &receiver, 1),
            hold(1, &sender, &receiver, 60),
        ]))
        .await;
    assert_eq!(
        outcomes,
        [
            "applied",
            "insufficient_balance",
            "applied",
            "applied",
            "applied",
            "applied",
            "applied",
            "user_not_found",
            "receiver_not_found",
            "not_held",
            "applied",
        ]
    );
    assert_eq!(balances(&service, &sender, &receiver).await, (Balance::new(100, 0), Balance::new(0, 0)));
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_step_that_stands_twice_in_a_list_is_one_step() {
    let (service, sender, receiver) = pair().await;
    let step = hold(1, &sender, &receiver, 60);
    let other = hold(1, &sender, &receiver, 40);
    assert_eq!(service.execute(json!([step, step, other])).await, ["applied", "applied", "reference_reused"]);
    assert_eq!(
        service.execute(json!([capture(1, 2, &sender, &receiver, 60), capture(1, 2, &sender, &receiver, 60)])).await,
        ["applied", "applied"]
    );
    assert_eq!(balances(&service, &sender, &receiver).await, (Balance::new(40, 0), Balance::new(60, 0)));
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_list_has_1_to_1000_steps() {
    let (service, sender, receiver) = pair().await;
    let steps = |count: i64| (1..=count).map(|n| hold(n, &sender, &receiver, 1)).collect::<Vec<Value>>();
    for wrong in [steps(0), steps(1001)] {
        let refused = service.service.post("/internal/operations", json!({"operations": wrong})).await;
        assert_names_field(refused, "invalid_value", "operations");
    }
    assert_eq!(service.balance(&sender).await, Balance::new(100, 0));
    let outcomes = service.execute(json!(steps(1000))).await;
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "applied").count(), 100);
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "insufficient_balance").count(), 900);
    assert_eq!(service.balance(&sender).await, Balance::new(0, 100));
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn only_steps_of_transactions_are_taken_and_a_wrong_one_stops_the_whole_list() {
    let (service, sender, receiver) = pair().await;
    let good = hold(1, &sender, &receiver, 60);
    let amount = |amount: Value| {
        let mut wrong = hold(2, &sender, &receiver, 1);
        wrong["hold"]["amount"] = amount;
        wrong
    };
    let without = |field: &str| {
        let mut wrong = capture(2, 2, &sender, &receiver, 1);
        wrong["capture"].as_object_mut().expect("its fields").remove(field);
        wrong
    };
    for (wrong, code) in [
        (json!({"topup": {"user_id": sender.id, "amount": 1}}), "invalid_value"),
        (json!({"credit": {"user_id": sender.id, "amount": 1}}), "invalid_value"),
        (json!({"debit": {"user_id": sender.id, "amount": 1}}), "invalid_value"),
        (json!({"mint": {"user_id": sender.id, "amount": 1}}), "invalid_value"),
        (amount(json!(0)), "invalid_amount"),
        (amount(json!(0.001)), "invalid_amount"),
        (amount(Value::Null), "invalid_amount"),
        (json!({"hold": {"transaction_id": 2}}), "missing_field"),
        (capture(0, 2, &sender, &receiver, 1), "invalid_value"),
        (capture(2, 2, &sender, &receiver, 0), "invalid_amount"),
        (without("amount"), "invalid_amount"),
        (without("step"), "missing_field"),
        (without("receiver_id"), "missing_field"),
        (json!({"capture": {}}), "missing_field"),
        (json!("capture"), "invalid_value"),
    ] {
        let body = json!({"operations": [good, wrong]});
        let refused = service.service.post("/internal/operations", body).await.expect_error(400, code);
        let named = refused["fields"].as_object().and_then(|fields| fields.keys().next().cloned()).unwrap_or_default();
        assert!(named.starts_with("operations"), "{wrong}: {}", refused.text);
    }
    assert_eq!(service.balance(&sender).await, Balance::new(100, 0));
}

#[tokio::test]
async fn a_step_that_is_no_object_is_named() {
    let (service, _, _) = pair().await;
    for step in [Value::Null, json!(1), json!([]), json!({})] {
        let refused = service.service.post("/internal/operations", json!({"operations": [step]})).await;
        assert_names_field(refused, "invalid_value", "operations[0]");
    }
}

#[tokio::test]
async fn an_unknown_field_of_a_step_is_refused() {
    let (service, sender, receiver) = pair().await;
    let known = [
        hold(1, &sender, &receiver, 1),
        transfer(2, &sender, &receiver, 1),
        capture(3, 2, &sender, &receiver, 1),
        release(4, 2, &sender, &receiver),
        refund(5, 1, &receiver, &sender, 1),
    ];
    for mut step in known {
        for fields in step.as_object_mut().expect("a step is an object").values_mut() {
            fields["fee"] = json!(1);
        }
        let refused = service.service.post("/internal/operations", json!({"operations": [step]})).await;
        let _ = refused.expect_error(400, "unknown_field");
    }
    assert_eq!(service.balance(&sender).await, Balance::new(100, 0));
}

#[tokio::test]
async fn a_receiver_is_paid_whatever_its_balance() {
    let (service, sender, receiver) = pair().await;
    receiver.fill().await;
    let steps = json!([
        hold(1, &sender, &receiver, 60),
        capture(1, 2, &sender, &receiver, 60),
        transfer(2, &sender, &receiver, 40)
    ]);
    assert_eq!(service.execute(steps).await, ["applied", "applied", "applied"]);
    assert_eq!(service.balance(&sender).await, Balance::new(0, 0));
    assert_eq!(service.balance(&receiver).await.balance, exactly("100000000000000099.99"));
    // what is above the limit can be spent, set aside and given back
    let steps =
        json!([hold(3, &receiver, &sender, 50), release(3, 2, &receiver, &sender), transfer(4, &receiver, &sender, 1)]);
    assert_eq!(service.execute(steps).await, ["applied", "applied", "applied"]);
    let _ = receiver.top_up(1).await.expect_error(400, "balance_limit");
    let debited = receiver.debit(98).await.expect(200);
    assert!(debited.text.contains(r#""balance":100000000000000000.99"#), "{}", debited.text);
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_receiver_whose_column_is_full_cannot_be_paid_and_the_sender_gets_the_money_back() {
    let (service, sender, receiver) = pair().await;
    assert_eq!(service.execute(json!([hold(1, &sender, &receiver, 60)])).await, ["applied"]);
    let full = "99999999999999999999999999.99";
    service.run(&format!("UPDATE accounts SET available = {full} WHERE user_id = {}", receiver.id)).await;
    let outcomes = service
        .execute(json!([
            capture(1, 2, &sender, &receiver, 60),
            transfer(2, &sender, &receiver, 40),
            release(1, 3, &sender, &receiver)
        ]))
        .await;
    assert_eq!(outcomes, ["receiver_unavailable", "receiver_unavailable", "applied"]);
    assert_eq!(service.balance(&sender).await, Balance::new(100, 0));
    assert_eq!(service.balance(&receiver).await.balance, exactly(full));
}

fn exactly(balance: &str) -> Money {
    serde_json::from_str(balance).expect("a sum")
}

#[tokio::test]
async fn a_receiver_who_does_not_exist_comes_before_a_balance_that_is_too_low() {
    let (service, sender, _) = pair().await;
    let to_nobody = json!({"transaction_id": 1, "sender_id": sender.id, "receiver_id": 999_999, "amount": 1_000});
    assert_eq!(service.execute(json!([{"hold": to_nobody}])).await, ["receiver_not_found"]);
}

#[tokio::test]
async fn a_transfer_to_oneself_is_refused() {
    let (service, sender, _) = pair().await;
    let to_self = json!({"transaction_id": 1, "sender_id": sender.id, "receiver_id": sender.id, "amount": 1});
    for verb in ["hold", "transfer"] {
        let body = json!({"operations": [{verb: to_self}]});
        let refused = service.service.post("/internal/operations", body).await.expect_error(400, "invalid_value");
        assert!(refused["fields"]["operations[0].receiver_id"].is_string(), "{}", refused.text);
    }
    assert_eq!(service.balance(&sender).await, Balance::new(100, 0));
}
