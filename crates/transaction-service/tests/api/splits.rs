//! Payments with several receivers: splits and fees.

use lab::http::{Api, Reply};
use serde_json::{Value, json};

use crate::{
    peers::Reaction,
    support::{SENDER, Service, assert_documented, assert_names_field, ids},
};

/// From [`SENDER`], split among users 2, 3 and 4: 100 by 3.
fn split() -> Value {
    json!({"sender_id": SENDER, "amount": 100, "description": "Order 7", "splits": [
        {"receiver_id": 2, "amount": 33.34}, {"receiver_id": 3, "amount": 33.33}, {"receiver_id": 4, "amount": 33.33},
    ]})
}

/// The same at once.
fn at_once() -> Value {
    with(split(), &json!({"auto_complete": true}))
}

fn with(mut body: Value, more: &Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// What became of the share of each receiver, in the order of the answer: captured and refunded.
fn shares(reply: &Reply) -> Vec<String> {
    let of = |split: &Value| {
        format!("{}: {} - {}", split["receiver_id"], split["captured_amount"], split["refunded_amount"])
    };
    reply["splits"].as_array().expect("splits").iter().map(of).collect()
}

/// The step that user-service was asked for last.
fn asked(service: &Service) -> Value {
    let call: Value = serde_json::from_str(&service.users.calls().pop().expect("a call").body).unwrap();
    call["operations"][0].clone()
}

async fn post(caller: &Api, id: i64, what: &str, body: Value) -> Reply {
    caller.post(&format!("/transactions/{id}/{what}"), body).await
}

#[tokio::test]
async fn a_split_is_one_step_and_its_answer_says_who_got_what() {
    let service = Service::start().await;
    let created = service.create(at_once()).await.expect(201);
    assert_documented(
        &created,
        &json!({"receiver_id": 2, "amount": 100, "captured_amount": 100, "status": "completed"}),
    );
    assert_eq!(shares(&created), ["2: 33.34 - 0", "3: 33.33 - 0", "4: 33.33 - 0"]);
    let step = asked(&service);
    assert_eq!(step["transfer"]["shares"], split()["splits"]);
    assert_eq!(service.show(created.id()).await.expect(200)["splits"], created["splits"]);
    let plain = service.create(crate::support::immediate(5)).await.expect(201);
    assert!(plain.json.get("splits").is_none() && plain.json.get("fee_amount").is_none());
    assert!(asked(&service)["transfer"].get("shares").is_none());
}

#[tokio::test]
async fn each_receiver_sees_its_own_share_and_no_other() {
    let service = Service::start().await;
    let body = with(at_once(), &json!({"reference": "INV-7"}));
    let id = service.create(body).await.expect(201).id();
    for (user, amount) in [(2, 33.34), (3, 33.33), (4, 33.33)] {
        let api = service.user(user);
        let own = json!({"receiver_id": user, "amount": amount, "captured_amount": amount, "refunded_amount": 0});
        let shown = api.get(&format!("/transactions/{id}")).await.expect(200);
        assert_documented(&shown, &own);
        assert!(shown.json.get("splits").is_none());
        for query in [
            String::new(),
            "?direction=in".to_owned(),
            format!("?receiver_id={user}"),
            format!("?sender_id={SENDER}"),
            "?reference=INV-7".to_owned(),
            "?min_amount=33&max_amount=34".to_owned(),
            "?status=completed&q=order".to_owned(),
            "?reference=INV-7&direction=in".to_owned(),
        ] {
            for list in [format!("/transactions{query}"), format!("/transactions/user/{user}{query}")] {
                let list = api.get(&list).await.expect(200);
                assert_eq!(ids(&list), [id], "{user} {query}");
                assert_eq!((&list.json[0]["amount"], list.json[0].get("splits")), (&json!(amount), None));
            }
        }
        // the total is no receiver's business, so no list is narrowed by it
        for query in
            ["?min_amount=34", "?max_amount=33", "?direction=out", "?sender_id=9", "?reference=INV-7&direction=out"]
        {
            let list = api.get(&format!("/transactions{query}")).await.expect(200);
            assert_eq!(ids(&list), [] as [i64; 0], "{user} {query}");
        }
    }
    let all = service.user(SENDER).get("/transactions?min_amount=100").await.expect(200);
    assert_eq!(all.json[0]["splits"].as_array().map(Vec::len), Some(3));
    assert_eq!(ids(&service.service.get("/transactions?min_amount=100").await.expect(200)), [id]);
    assert_eq!(ids(&service.service.get("/transactions?max_amount=99").await.expect(200)), [] as [i64; 0]);
    let _ = service.user(5).get(&format!("/transactions/{id}")).await.expect(403);
}

#[tokio::test]
async fn captures_are_shared_in_proportion_and_answered_again_as_they_were() {
    let service = Service::start().await;
    let id = service.create(split()).await.expect(201).id();
    let keyed = service.service.keyed("part");
    let part = post(&keyed, id, "captures", json!({"amount": 0.01})).await.expect(201);
    assert_eq!(shares(&part), ["2: 0.01 - 0", "3: 0 - 0", "4: 0 - 0"]);
    let share = |user: i64, amount: Value| json!({"receiver_id": user, "amount": amount});
    let expected = json!([share(2, json!(0.01)), share(3, json!(0)), share(4, json!(0))]);
    assert_eq!(asked(&service)["capture"]["shares"], expected);
    let half = post(&service.service, id, "captures", json!({"amount": 50})).await.expect(201);
    assert_eq!(shares(&half), ["2: 16.68 - 0", "3: 16.67 - 0", "4: 16.66 - 0"]);
    let again = post(&keyed, id, "captures", json!({"amount": 0.01})).await.expect(201);
    assert_eq!(again["splits"], part["splits"]);
    let whole = service.decide(id, "completed").await.expect(200);
    assert_eq!(shares(&whole), ["2: 33.34 - 0", "3: 33.33 - 0", "4: 33.33 - 0"]);
}

#[tokio::test]
async fn a_refund_takes_back_from_each_in_proportion_until_nothing_is_left() {
    let service = Service::start().await;
    let id = service.create(at_once()).await.expect(201).id();
    let first = post(&service.service, id, "refunds", json!({"amount": 50})).await.expect(201);
    assert_documented(&first, &json!({"sender_id": 2, "receiver_id": SENDER, "amount": 50}));
    assert_eq!(shares(&first), ["2: 16.67 - 0", "3: 16.67 - 0", "4: 16.66 - 0"]);
    let of_first = post(&service.service, id, "refunds", json!({"amount": 0.01})).await.expect(201);
    assert_eq!(shares(&of_first), ["2: 0.01 - 0", "3: 0 - 0", "4: 0 - 0"]);
    let cent = post(&service.service, id, "refunds", json!({"amount": 0.01})).await.expect(201);
    assert_eq!(shares(&cent), ["2: 0 - 0", "3: 0 - 0", "4: 0.01 - 0"]);
    let rest = post(&service.service, id, "refunds", json!({})).await.expect(201);
    let shown = service.show(id).await.expect(200);
    assert_eq!(shares(&shown), ["2: 33.34 - 33.34", "3: 33.33 - 33.33", "4: 33.33 - 33.33"]);
    assert_eq!((&shown["refunded_amount"], &rest["amount"]), (&json!(100), &json!(49.98)));
    let step = asked(&service);
    assert_eq!(step["refund"]["shares"].as_array().map(Vec::len), Some(3));
    // whoever pays nothing of a refund has none
    let [payer, others] = [4, 2].map(|user| service.user(user));
    let seen = payer.get(&format!("/transactions/{}", cent.id())).await.expect(200);
    assert_documented(&seen, &json!({"sender_id": 4, "receiver_id": SENDER, "amount": 0.01}));
    let _ = others.get(&format!("/transactions/{}", cent.id())).await.expect(403);
    let [whole, part] = [first.id(), of_first.id()];
    for (user, seen) in [
        (2, vec![rest.id(), part, whole, id]),
        (3, vec![rest.id(), whole, id]),
        (4, vec![rest.id(), cent.id(), first.id(), id]),
    ] {
        assert_eq!(ids(&service.user(user).get("/transactions").await.expect(200)), seen, "{user}");
    }
    let back = service.user(4).get("/transactions?direction=out").await.expect(200);
    assert_eq!(ids(&back), [rest.id(), cent.id(), first.id()]);
}

#[tokio::test]
async fn a_fee_goes_back_with_what_it_was_taken_from() {
    let service = Service::start().await;
    let fee = json!({"sender_id": SENDER, "receiver_id": 2, "amount": 1_000, "fee": {"receiver_id": 3, "amount": 100}});
    let created = service.create(with(fee, &json!({"auto_complete": true}))).await.expect(201);
    assert_documented(&created, &json!({"receiver_id": 2, "amount": 1_000, "fee_amount": 100}));
    assert_eq!(shares(&created), ["2: 900 - 0", "3: 100 - 0"]);
    for (user, own) in [(2, 900), (3, 100)] {
        let seen = service.user(user).get(&format!("/transactions/{}", created.id())).await.expect(200);
        assert_eq!((&seen["amount"], seen.json.get("fee_amount")), (&json!(own), None));
        // nobody takes another's share back by its own word
        let _ = post(&service.user(user), created.id(), "refunds", json!({})).await.expect_error(403, "forbidden");
    }
    let _ = post(&service.service, created.id(), "refunds", json!({"amount": 500})).await.expect(201);
    let half = service.show(created.id()).await.expect(200);
    assert_eq!(shares(&half), ["2: 900 - 450", "3: 100 - 50"]);
    let _ = post(&service.service, created.id(), "refunds", json!({})).await.expect(201);
    assert_eq!(shares(&service.show(created.id()).await.expect(200)), ["2: 900 - 900", "3: 100 - 100"]);
}

#[tokio::test]
async fn any_receiver_may_decline_for_all_and_deletes_for_itself() {
    let service = Service::start().await;
    let id = service.create(split()).await.expect(201).id();
    let (path, third) = (format!("/transactions/{id}"), service.user(4));
    let _ = third.put(&path, json!({"status": "completed"})).await.expect_error(403, "forbidden");
    let declined = third.put(&path, json!({"status": "cancelled"})).await.expect(200);
    assert_documented(&declined, &json!({"status": "cancelled", "status_reason": "declined", "amount": 33.33}));
    assert_eq!(asked(&service)["release"]["receivers"], json!([2, 3, 4]));
    let _ = third.delete(&path).await.expect(200);
    let _ = third.get(&path).await.expect(404);
    assert_eq!(ids(&third.get("/transactions").await.expect(200)), [] as [i64; 0]);
    for other in [SENDER, 2, 3] {
        assert_eq!(ids(&service.user(other).get("/transactions").await.expect(200)), [id]);
    }
}

#[tokio::test]
async fn nothing_is_applied_in_part() {
    let service = Service::start().await;
    service.users.on("transfer", Reaction::Refuses("receiver_unavailable"));
    let refused = service.create(at_once()).await.expect_error(409, "receiver_unavailable");
    let id = refused["transaction_id"].as_i64().unwrap();
    assert_eq!(shares(&service.show(id).await.expect(200)), ["2: 0 - 0", "3: 0 - 0", "4: 0 - 0"]);
    for receiver in [2, 3, 4] {
        assert_eq!(ids(&service.user(receiver).get("/transactions").await.expect(200)), [] as [i64; 0]);
    }
    service.users.on("transfer", Reaction::Applies);
    let id = service.create(at_once()).await.expect(201).id();
    service.users.on("refund", Reaction::Refuses("insufficient_balance"));
    let _ = post(&service.service, id, "refunds", json!({})).await.expect_error(400, "insufficient_balance");
    assert_eq!(shares(&service.show(id).await.expect(200)), ["2: 33.34 - 0", "3: 33.33 - 0", "4: 33.33 - 0"]);
}

#[tokio::test]
async fn a_request_is_answered_again_and_another_one_under_its_key_is_refused() {
    let service = Service::start().await;
    let keyed = service.service.keyed("split");
    let created = keyed.post("/transactions", at_once()).await.expect(201);
    let _ = post(&service.service, created.id(), "refunds", json!({"amount": 10})).await.expect(201);
    let again = keyed.post("/transactions", at_once()).await.expect(201);
    assert_eq!((again.id(), &again["splits"]), (created.id(), &created["splits"]));
    let mut other = at_once();
    (other["splits"][0]["amount"], other["splits"][1]["amount"]) = (json!(33.33), json!(33.34));
    let _ = keyed.post("/transactions", other).await.expect_error(422, "idempotency_key_reused");
}

#[tokio::test]
async fn who_is_paid_is_named_once() {
    let service = Service::start().await;
    let fee = json!({"fee": {"receiver_id": 3, "amount": 1}});
    let plain = json!({"sender_id": SENDER, "receiver_id": 2, "amount": 10});
    let refused = async |body: Value, code: &str, field: &str| {
        assert_names_field(service.create(body).await, code, field);
    };
    refused(with(split(), &json!({"receiver_id": 2})), "invalid_value", "splits").await;
    refused(with(split(), &fee), "invalid_value", "fee").await;
    refused(with(split(), &json!({"amount": 99})), "invalid_value", "splits[2].amount").await;
    refused(with(split(), &json!({"amount": 101})), "invalid_value", "splits[2].amount").await;
    refused(with(split(), &json!({"sender_id": 3})), "self_transfer", "splits[1].receiver_id").await;
    refused(with(plain.clone(), &json!({"fee": {"receiver_id": 2, "amount": 1}})), "invalid_value", "fee.receiver_id")
        .await;
    refused(with(plain, &json!({"fee": {"receiver_id": 3, "amount": 10}})), "invalid_value", "fee.amount").await;
    assert!(service.users.calls().is_empty());
}

#[tokio::test]
async fn a_split_begins_later_with_the_shares_that_were_asked_for() {
    let service = Service::start().await;
    let at = money::time::now() + chrono::TimeDelta::seconds(2);
    let body = with(at_once(), &json!({"execute_at": at.to_rfc3339()}));
    let scheduled = service.create(body).await.expect(201);
    assert_eq!(shares(&scheduled), ["2: 0 - 0", "3: 0 - 0", "4: 0 - 0"]);
    service.start_workers();
    let begun = service.becomes(scheduled.id(), "completed").await;
    assert_eq!(shares(&begun), ["2: 33.34 - 0", "3: 33.33 - 0", "4: 33.33 - 0"]);
}
