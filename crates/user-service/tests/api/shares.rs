//! `POST /internal/operations` for transactions with several receivers.

use serde_json::{Value, json};

use crate::support::{Balance, Service, User, assert_names_field, capture, hold, refund, release, transfer};

/// A sender who has 100, and three receivers.
async fn four() -> (Service, [User; 4]) {
    let service = Service::start().await;
    let sender = service.user("sender", 100).await;
    let receivers = [service.user("one", 0).await, service.user("two", 0).await, service.user("three", 0).await];
    let [one, two, three] = receivers;
    (service, [sender, one, two, three])
}

/// The same step, shared like that.
fn shared(mut step: Value, users: &[User], amounts: &[&str]) -> Value {
    let amounts = amounts.iter().map(|amount| amount.parse::<serde_json::Number>().unwrap());
    let shares = users[1..].iter().zip(amounts).map(|(user, amount)| json!({"receiver_id": user.id, "amount": amount}));
    let shares: Vec<Value> = shares.collect();
    let fields = step.as_object_mut().unwrap().values_mut().next().unwrap();
    fields["shares"] = json!(shares);
    step
}

fn released(mut step: Value, users: &[User]) -> Value {
    step["release"]["receivers"] = users[1..].iter().map(|user| json!(user.id)).collect();
    step
}

async fn balances(service: &Service, users: &[User]) -> Vec<String> {
    let mut all = Vec::new();
    for user in users {
        let Balance { balance, held } = service.balance(user).await;
        all.push(if held == 0.into() { balance.to_string() } else { format!("{balance} + {held}") });
    }
    all
}

#[tokio::test]
async fn a_shared_payment_is_one_operation_and_asked_again_it_is_answered_again() {
    let (service, users) = four().await;
    let [sender, first, ..] = &users;
    let paid = shared(transfer(1, sender, first, 100), &users, &["33.34", "33.33", "33.33"]);
    for _ in 0..2 {
        assert_eq!(service.execute(json!([paid])).await, ["applied"]);
        assert_eq!(balances(&service, &users).await, ["0", "33.34", "33.33", "33.33"]);
    }
    let other = shared(transfer(1, sender, first, 100), &users, &["33.33", "33.34", "33.33"]);
    assert_eq!(service.execute(json!([other])).await, ["reference_reused"]);
    let back = |id, amount, shares: &[&str]| json!([shared(refund(id, 1, first, sender, amount), &users, shares)]);
    assert_eq!(service.execute(back(2, 40, &["0", "33.34", "6.66"])).await, ["exceeds_refundable"]);
    assert_eq!(service.execute(json!([refund(3, 1, first, sender, 1)])).await, ["not_held"]);
    let _ = users[3].debit(1).await.expect(200);
    assert_eq!(service.execute(back(4, 100, &["33.34", "33.33", "33.33"])).await, ["insufficient_balance"]);
    assert_eq!(balances(&service, &users).await, ["0", "33.34", "33.33", "32.33"]);
    assert_eq!(service.execute(back(5, 99, &["33.34", "33.33", "32.33"])).await, ["applied"]);
    assert_eq!(balances(&service, &users).await, ["99", "0", "0", "0"]);
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_shared_hold_is_captured_in_parts_and_released_for_all() {
    let (service, users) = four().await;
    let [sender, first, ..] = &users;
    let held = shared(hold(1, sender, first, 60), &users, &["30", "20", "10"]);
    let refused = shared(hold(2, sender, first, 60), &users, &["30", "20", "10"]);
    assert_eq!(service.execute(json!([held, refused])).await, ["applied", "insufficient_balance"]);
    // the account of a receiver stays as long as there is something for it
    let _ = users[3].api.delete(&users[3].path("")).await.expect(409);
    service.assert_ledger_holds().await;
    let part = shared(capture(1, 2, sender, first, 30), &users, &["15", "10", "5"]);
    let too_much = shared(capture(1, 3, sender, first, 16), &users, &["16", "0", "0"]);
    assert_eq!(service.execute(json!([part, too_much])).await, ["applied", "not_held"]);
    assert_eq!(balances(&service, &users).await, ["40 + 30", "15", "10", "5"]);
    service.assert_ledger_holds().await;
    let wrong = release(1, 4, sender, first);
    let right = released(release(1, 5, sender, first), &users);
    assert_eq!(service.execute(json!([wrong, right])).await, ["not_held", "applied"]);
    assert_eq!(balances(&service, &users).await, ["70", "15", "10", "5"]);
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn shares_that_do_not_add_up_are_refused() {
    let (service, users) = four().await;
    let [sender, first, ..] = &users;
    let of = |users: &[User], amounts: &[&str]| shared(transfer(1, sender, first, 100), users, amounts);
    let twice = [sender.clone(), first.clone(), first.clone()];
    let own = [sender.clone(), first.clone(), sender.clone()];
    let reversed = [sender.clone(), users[2].clone(), first.clone()];
    let many: Vec<User> = (0..=21).map(|_| sender.clone()).collect();
    for wrong in [
        of(&users, &["33.33", "33.33", "33.33"]),
        of(&users, &["101", "-1", "0"]),
        of(&users, &["100", "0", "0"]),
        of(&users, &["33.335", "33.335", "33.33"]),
        of(&twice, &["50", "50"]),
        of(&own, &["50", "50"]),
        of(&reversed, &["50", "50"]),
        of(&many, &["5"; 21]),
    ] {
        let reply = service.service.post("/internal/operations", json!({"operations": [wrong]})).await;
        assert_names_field(reply, "invalid_value", "operations[0].shares");
    }
    // sixteen digits: what a fee of a cent leaves of the amount
    let mut large = transfer(9, sender, first, 10_000_000_000_001);
    let share = |user: &User, amount: &str| json!({"receiver_id": user.id, "amount": amount.parse::<serde_json::Number>().unwrap()});
    large["transfer"]["shares"] = json!([share(first, "10000000000000.99"), share(&users[2], "0.01")]);
    assert_eq!(service.execute(json!([large])).await, ["insufficient_balance"]);
    let batch =
        json!({"batch": {"batch_id": 1, "steps": [transfer(7, sender, first, 1), of(&users, &["50", "30", "21"])]}});
    let reply = service.service.post("/internal/operations", json!({"operations": [batch]})).await;
    assert_names_field(reply, "invalid_value", "operations[0].steps[1].shares");
    assert_eq!(balances(&service, &users).await, ["100", "0", "0", "0"]);
}

#[tokio::test]
async fn payments_of_a_batch_may_be_shared() {
    let (service, users) = four().await;
    let [sender, first, second, _] = &users;
    let shares = ["20", "15", "5"];
    let steps = |number: i64, amount: i64| {
        [
            shared(transfer(number, sender, first, 40), &users, &shares),
            shared(hold(number + 1, sender, first, 40), &users, &shares),
            transfer(number + 2, second, sender, amount),
        ]
    };
    let batch = |number: i64, amount: i64| json!([{"batch": {"batch_id": number, "steps": steps(number, amount)}}]);
    assert_eq!(service.execute(batch(1, 16)).await, ["insufficient_balance"]);
    assert_eq!(balances(&service, &users).await, ["100", "0", "0", "0"]);
    for _ in 0..2 {
        assert_eq!(service.execute(batch(10, 15)).await, ["applied"]);
        assert_eq!(balances(&service, &users).await, ["35 + 40", "20", "0", "5"]);
    }
    let captured = json!([shared(capture(11, 2, sender, first, 40), &users, &shares)]);
    assert_eq!(service.execute(captured).await, ["applied"]);
    let back = json!([shared(refund(20, 10, first, sender, 40), &users, &shares)]);
    assert_eq!(service.execute(back).await, ["applied"]);
    assert_eq!(balances(&service, &users).await, ["75", "20", "0", "5"]);
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_share_that_is_not_what_was_paid_is_found() {
    let (service, users) = four().await;
    let [sender, first, ..] = &users;
    let held = shared(hold(1, sender, first, 60), &users, &["30", "20", "10"]);
    assert_eq!(service.execute(json!([held])).await, ["applied"]);
    for (damage, repair, rule) in [
        (
            "REPLACE(shares, '\"amount\":20,', '\"amount\":21,')",
            "REPLACE(shares, '\"amount\":21,', '\"amount\":20,')",
            "the shares of a hold add up to it",
        ),
        (
            "REPLACE(shares, '\"captured\":0', '\"captured\":1')",
            "REPLACE(shares, '\"captured\":1', '\"captured\":0')",
            "the shares of a hold add up to it",
        ),
        (
            "REPLACE(shares, '\"receiver_id\":4,', '\"receiver_id\":1,')",
            "REPLACE(shares, '\"receiver_id\":1,', '\"receiver_id\":4,')",
            "incoming counts the holds for a user",
        ),
    ] {
        service.run(&format!("UPDATE holds SET shares = {damage}")).await;
        let proof = service.service.get("/internal/ledger/verify").await.expect(200);
        let violations = proof["violations"].as_array().unwrap();
        assert!(violations.iter().any(|violation| violation["rule"] == rule), "{damage}: {}", proof.text);
        service.run(&format!("UPDATE holds SET shares = {repair}")).await;
        service.assert_ledger_holds().await;
    }
}
