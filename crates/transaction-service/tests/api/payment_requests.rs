//! Payment requests: somebody asks for money, and somebody pays it once.

use std::sync::Arc;

use common::config::Mode;
use futures::future::join_all;
use lab::http::{Api, Reply, eventually};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{
    peers::{Reaction, unreachable},
    support::{RECEIVER, SENDER, Service, assert_documented, assert_is_moment, assert_names_field},
};

/// Who asks for money in most tests.
const PAYEE: i64 = RECEIVER;
/// Who has the address [`JANE`].
const NAMED: i64 = 3;
const JANE: &str = "jane@example.com";

fn lunch() -> Value {
    json!({"payee_id": PAYEE, "amount": 25_000, "description": "Lunch", "payer_email": null})
}

fn lunch_of(email: &str) -> Value {
    json!({"payee_id": PAYEE, "amount": 25_000, "description": "Lunch", "payer_email": email})
}

/// A service where everybody has an address.
async fn service_in(mode: Mode) -> Service {
    let service = Service::start_with(|config| config.service.mode = mode).await;
    for (user, email) in [(SENDER, "john@example.com"), (PAYEE, "payee@example.com"), (NAMED, JANE)] {
        service.users.has_address(user, email);
    }
    service
}

async fn service() -> Service {
    service_in(Mode::Development).await
}

/// The path of a new payment request.
async fn ask(service: &Service, body: Value) -> String {
    let made = service.user(PAYEE).post("/payment-requests", body).await.expect(201);
    format!("/payment-requests/{}", made["id"].as_str().expect("an id"))
}

async fn pay(caller: &Api, path: &str) -> Reply {
    caller.post(&format!("{path}/pay"), json!({})).await
}

/// Without a body.
async fn decline(caller: &Api, path: &str) -> Reply {
    caller.send(reqwest::Method::POST, &format!("{path}/decline"), None).await
}

async fn status(service: &Service, path: &str) -> String {
    service.service.get(path).await.expect(200)["status"].as_str().expect("a status").to_owned()
}

#[track_caller]
fn assert_not_open(reply: Reply, status: &str) {
    assert_eq!(reply.expect_error(409, "payment_request_not_open")["status"], status);
}

#[tokio::test]
async fn whoever_has_the_id_sees_it_and_pays_it_once() {
    let service = service().await;
    let made = service.user(PAYEE).post("/payment-requests", lunch()).await.expect(201);
    let id = made["id"].as_str().expect("an id").to_owned();
    let path = format!("/payment-requests/{id}");
    let documented = json!({
        "payee_id": PAYEE, "amount": 25_000, "description": "Lunch", "payer_email": null, "status": "open", "link": path,
    });
    assert_documented(&made, &documented);
    for moment in ["created_at", "expires_at"] {
        assert_is_moment(&made, moment);
    }
    let payer = service.user(SENDER);
    assert_eq!(payer.get(&path).await.expect(200).json, made.json);
    let paid = pay(&payer, &path).await.expect(201);
    let transaction = json!({
        "sender_id": SENDER, "receiver_id": PAYEE, "amount": 25_000, "description": "Lunch", "status": "completed",
    });
    assert_documented(&paid, &transaction);
    let seen = service.user(PAYEE).get(&path).await.expect(200);
    assert_documented(&seen, &json!({"status": "paid", "transaction_id": paid.id()}));
    assert_eq!(payer.get(&path).await.expect(200)["transaction_id"], Value::Null, "whoever has the id sees no more");
    for again in [&payer, &service.user(NAMED)] {
        assert_not_open(pay(again, &path).await, "paid");
    }
    assert_not_open(service.user(PAYEE).delete(&path).await, "paid");
    assert_eq!(service.users.verbs(), ["transfer"]);
}

#[tokio::test]
async fn of_many_payers_at_once_exactly_one_pays() {
    let service = service().await;
    for key in [None, Some("a-key")] {
        let path = ask(&service, lunch()).await;
        let before = service.users.verbs().len();
        let payers = (10..30).map(|id| match key {
            Some(key) => service.user(id).keyed(key),
            None => service.user(id),
        });
        let payers: Vec<Api> = payers.collect();
        let replies = join_all(payers.iter().map(|payer| pay(payer, &path))).await;
        assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1);
        for refused in replies.into_iter().filter(|reply| reply.status != 201) {
            let refused = refused.expect_error(409, "payment_request_not_open");
            assert!(["paid", "processing"].contains(&refused["status"].as_str().unwrap()), "{}", refused.text);
        }
        assert_eq!(service.users.verbs().len(), before + 1, "the others keep their money");
    }
}

#[tokio::test]
async fn a_payment_that_is_refused_leaves_it_open_for_another_one() {
    let service = service().await;
    let path = ask(&service, lunch()).await;
    let poor = service.user(SENDER);
    service.users.on("transfer", Reaction::Refuses("insufficient_balance"));
    for _ in 0..2 {
        let refused = pay(&poor, &path).await.expect_error(400, "insufficient_balance");
        assert!(refused["transaction_id"].is_i64());
        assert_eq!(status(&service, &path).await, "open");
    }
    service.users.on("transfer", Reaction::Refuses("receiver_not_found"));
    let _ = pay(&poor, &path).await.expect_error(409, "receiver_unavailable");
    service.users.on("transfer", Reaction::Refuses("user_not_found"));
    let paying = json!({"payer_id": 99});
    let refused = service.service.post(&format!("{path}/pay"), paying).await.expect_error(404, "user_not_found");
    assert_eq!(refused["fields"], json!({"payer_id": "does not exist"}));
    service.users.on("transfer", Reaction::Applies);
    let _ = pay(&service.user(NAMED), &path).await.expect(201);
    assert_eq!(status(&service, &path).await, "paid");
}

#[tokio::test]
async fn while_the_outcome_is_not_known_nobody_else_pays_and_then_it_is_what_it_came_to() {
    for (ends, reaction) in [("paid", Reaction::Applies), ("open", Reaction::Refuses("insufficient_balance"))] {
        let service = service().await;
        let path = ask(&service, lunch()).await;
        service.users.on("transfer", Reaction::Answers(500, "{}"));
        let open = pay(&service.user(SENDER), &path).await.expect(202);
        assert_documented(
            &service.user(PAYEE).get(&path).await.expect(200),
            &json!({"status": "processing", "transaction_id": open.id()}),
        );
        assert_not_open(pay(&service.user(NAMED), &path).await, "processing");
        assert_not_open(service.user(PAYEE).delete(&path).await, "processing");
        service.run("UPDATE payment_requests SET expires_at = NOW(6)").await;
        assert_eq!(status(&service, &path).await, "processing", "it may still be paid");
        service.run("UPDATE payment_requests SET expires_at = NOW(6) + INTERVAL 1 DAY").await;
        service.users.on("transfer", reaction);
        service.start_workers();
        let settled = async || (status(&service, &path).await == ends).then_some(());
        eventually("the payment to be settled", settled).await;
        assert_eq!(service.show(open.id()).await.expect(200)["status"] == "completed", ends == "paid");
    }
}

#[tokio::test]
async fn a_payment_that_is_under_way_keeps_others_out() {
    let service = service().await;
    let path = ask(&service, lunch()).await;
    let gate = Arc::new(Semaphore::new(0));
    service.users.on("transfer", Reaction::Waits(gate.clone()));
    let (slow, slow_path) = (service.user(SENDER), path.clone());
    let slow = tokio::spawn(async move { pay(&slow, &slow_path).await });
    eventually("the transfer to be asked for", async || (!service.users.calls().is_empty()).then_some(())).await;
    assert_not_open(pay(&service.user(NAMED), &path).await, "processing");
    gate.add_permits(1);
    let _ = slow.await.expect("the payer lives").expect(201);
    assert_not_open(pay(&service.user(NAMED), &path).await, "paid");
}

#[tokio::test]
async fn without_user_service_nothing_is_paid_and_it_stays_open() {
    let service = Service::start_with_users_at(unreachable()).await;
    let made = service.service.post("/payment-requests", lunch()).await;
    let _ = made.expect_error(503, "service_unavailable");
    service
        .run(
            "INSERT INTO payment_requests (token, payee_id, amount, description, created_at, expires_at)
             VALUES (REPEAT('a', 32), 2, 1, '', NOW(6), NOW(6) + INTERVAL 1 DAY)",
        )
        .await;
    let path = format!("/payment-requests/{}", "a".repeat(32));
    let paying = service.service.keyed("k").post(&format!("{path}/pay"), json!({"payer_id": SENDER})).await;
    let _ = paying.expect_error(503, "service_unavailable");
    assert_documented(&service.service.get(&path).await.expect(200), &json!({"status": "open"}));
    assert_eq!(service.anyone.get("/transactions").await.expect(200).json, json!([]));
}

#[tokio::test]
async fn only_the_named_payer_sees_pays_or_declines_a_request_that_names_one() {
    for (mode, other) in
        [(Mode::Development, (403, "forbidden")), (Mode::Production, (404, "payment_request_not_found"))]
    {
        let service = service_in(mode).await;
        let (payee, named, stranger) = (service.user(PAYEE), service.user(NAMED), service.user(SENDER));
        let path = ask(&service, lunch_of(" Jane@EXAMPLE.com")).await;
        assert_documented(&named.get(&path).await.expect(200), &json!({"status": "open", "payer_email": JANE}));
        for refused in [
            stranger.get(&path).await,
            pay(&stranger, &path).await,
            decline(&stranger, &path).await,
            stranger.delete(&path).await,
        ] {
            let _ = refused.expect_error(other.0, other.1);
        }
        let _ = named.delete(&path).await.expect_error(403, "forbidden");
        let _ = decline(&payee, &path).await.expect_error(403, "forbidden");
        let for_stranger = json!({"payer_id": SENDER});
        let _ = named.post(&format!("{path}/pay"), for_stranger.clone()).await.expect_error(403, "forbidden");
        let by_service = service.service.post(&format!("{path}/pay"), for_stranger).await;
        let _ = by_service.expect_error(403, "forbidden");
        let paid = pay(&named, &path).await.expect(201);
        assert_eq!(named.get(&path).await.expect(200)["transaction_id"], paid.id());

        let path = ask(&service, lunch_of(JANE)).await;
        let declined = decline(&named, &path).await.expect(200);
        assert_eq!(declined["status"], "declined");
        assert_not_open(pay(&named, &path).await, "declined");
        assert_not_open(decline(&named, &path).await, "declined");
        assert_not_open(payee.delete(&path).await, "declined");
        // whoever has the address now is the payer
        let path = ask(&service, lunch_of(JANE)).await;
        service.users.has_address(4, JANE);
        let _ = named.get(&path).await.expect_error(other.0, other.1);
        let _ = pay(&service.user(4), &path).await.expect(201);
    }
}

#[tokio::test]
async fn who_is_asked_and_whose_request_is_declined_are_told_and_nobody_learns_who_has_an_account() {
    let service = service().await;
    let path = ask(&service, lunch_of(JANE)).await;
    let _ = decline(&service.user(NAMED), &path).await.expect(200);
    let unknown = service.user(PAYEE).post("/payment-requests", lunch_of("nobody@example.com")).await.expect(201);
    assert_eq!(unknown["status"], "open");
    let _ = ask(&service, lunch()).await;
    let _ = service.user(PAYEE).delete(&ask(&service, lunch_of("payee@example.com")).await).await.expect(200);
    service.start_workers();
    service.everything_is_told().await;
    let told: Vec<(Value, Value, Value)> = service
        .notifications
        .told()
        .iter()
        .map(|fact| (fact["type"].clone(), fact["data"]["payee_id"].clone(), fact["data"]["payer_id"].clone()))
        .collect();
    let fact = |kind: &str| (json!(kind), json!(PAYEE), json!(NAMED));
    assert_eq!(told, [fact("payment_request.created"), fact("payment_request.declined")]);
    assert_eq!(service.users.lookups(), [None; 3], "no look-up of the payee's");
}

#[tokio::test]
async fn what_anybody_may_pay_nobody_declines_and_only_the_payee_withdraws() {
    let service = service().await;
    let path = ask(&service, lunch()).await;
    for caller in [&service.user(SENDER), &service.user(PAYEE), &service.service] {
        let _ = decline(caller, &path).await.expect_error(403, "forbidden");
    }
    let _ = service.user(SENDER).delete(&path).await.expect_error(403, "forbidden");
    let withdrawn = service.user(PAYEE).delete(&path).await.expect(200);
    assert_eq!(withdrawn["status"], "withdrawn");
    assert_not_open(pay(&service.user(SENDER), &path).await, "withdrawn");
    assert_not_open(service.service.delete(&path).await, "withdrawn");
    let path = ask(&service, lunch()).await;
    let _ = service.service.delete(&path).await.expect(200);
}

#[tokio::test]
async fn of_a_payer_and_a_payee_who_withdraws_exactly_one_wins() {
    let service = service().await;
    for _ in 0..10 {
        let path = ask(&service, lunch()).await;
        let (payer, payee) = (service.user(SENDER), service.user(PAYEE));
        let (paid, withdrawn) = tokio::join!(pay(&payer, &path), payee.delete(&path));
        let (paid, withdrawn) = (paid.status.as_u16(), withdrawn.status.as_u16());
        let ended = status(&service, &path).await;
        assert!(
            [(201, 409, "paid"), (409, 200, "withdrawn")].contains(&(paid, withdrawn, ended.as_str())),
            "{paid} {withdrawn} {ended}"
        );
    }
}

#[tokio::test]
async fn after_thirty_days_it_is_expired() {
    let service = service().await;
    let path = ask(&service, lunch()).await;
    service.run("UPDATE payment_requests SET expires_at = expires_at - INTERVAL 30 DAY + INTERVAL 1 MINUTE").await;
    assert_eq!(status(&service, &path).await, "open");
    service.run("UPDATE payment_requests SET expires_at = expires_at - INTERVAL 1 MINUTE").await;
    assert_not_open(pay(&service.user(SENDER), &path).await, "expired");
    assert_not_open(service.user(PAYEE).delete(&path).await, "expired");
}

#[tokio::test]
async fn its_link_is_a_qr_code_for_anyone() {
    let service =
        Service::start_with(|config| config.public_url = Some("https://wallet.example".parse().unwrap())).await;
    let made = service.user(PAYEE).post("/payment-requests", lunch_of(JANE)).await.expect(201);
    let link = format!("https://wallet.example/payment-requests/{}", made["id"].as_str().unwrap());
    assert_eq!(made["link"], link);
    let path = format!("{}/qr.svg", link.trim_start_matches("https://wallet.example"));
    let picture = service.anyone.get(&path).await.expect(200);
    assert_eq!(picture.header("content-type"), "image/svg+xml");
    assert!(picture.text.starts_with("<svg ") && picture.text.contains("<title>Payment request</title>"));
    let unknown = format!("/payment-requests/{}/qr.svg", "0".repeat(32));
    let _ = service.anyone.get(&unknown).await.expect_error(404, "payment_request_not_found");
}

#[tokio::test]
async fn a_user_lists_what_it_asked_for_newest_first() {
    let service = service().await;
    let mut made = Vec::new();
    for amount in 1..=5 {
        made.push(ask(&service, json!({"payee_id": PAYEE, "amount": amount})).await);
    }
    let other = service.user(NAMED).post("/payment-requests", json!({"payee_id": NAMED, "amount": 9})).await;
    let _ = other.expect(201);
    let payee = service.user(PAYEE);
    for caller in [&payee, &service.service] {
        let (mut seen, mut next) = (Vec::new(), Some(format!("/payment-requests?user_id={PAYEE}&limit=2")));
        while let Some(path) = next {
            let page = caller.get(&path).await.expect(200);
            let items = page.json.as_array().expect("a list");
            seen.extend(items.iter().map(|item| format!("/payment-requests/{}", item["id"].as_str().unwrap())));
            next = page.next();
        }
        seen.reverse();
        assert_eq!(seen, made);
    }
    let count = async |caller: &Api| {
        caller.get("/payment-requests").await.expect(200).json.as_array().map(Vec::len).unwrap_or_default()
    };
    assert_eq!([count(&payee).await, count(&service.service).await], [5, 6]);
    let _ = payee.get(&format!("/payment-requests?user_id={NAMED}")).await.expect_error(403, "forbidden");
    let production = service_in(Mode::Production).await;
    let others = production.user(PAYEE).get(&format!("/payment-requests?user_id={NAMED}")).await;
    let _ = others.expect_error(404, "user_not_found");
    let _ = production.anyone.get("/payment-requests").await.expect_error(401, "missing_token");
}

#[tokio::test]
async fn a_key_asks_once_and_pays_once() {
    let service = service().await;
    let payee = service.user(PAYEE).keyed("lunch");
    let first = payee.post("/payment-requests", lunch()).await.expect(201);
    let replies = join_all((0..10).map(|_| payee.post("/payment-requests", lunch()))).await;
    for again in replies {
        let again = again.expect(201);
        assert_eq!((again.header("idempotent-replayed"), &again.json), ("true", &first.json));
    }
    let _ = payee.post("/payment-requests", lunch_of(JANE)).await.expect_error(422, "idempotency_key_reused");
    let path = format!("/payment-requests/{}", first["id"].as_str().unwrap());

    service.users.on("transfer", Reaction::Refuses("insufficient_balance"));
    let payer = service.user(SENDER);
    for replayed in ["", "true"] {
        let refused = pay(&payer.keyed("poor"), &path).await.expect_error(400, "insufficient_balance");
        assert_eq!(refused.header("idempotent-replayed"), replayed);
    }
    service.users.on("transfer", Reaction::Applies);
    let refused = pay(&payer.keyed("poor"), &path).await.expect_error(400, "insufficient_balance");
    assert_eq!(refused.header("idempotent-replayed"), "true", "as it was then");
    let keyed = payer.keyed("rich");
    let replies = join_all((0..10).map(|_| pay(&keyed, &path))).await;
    let paid = pay(&keyed, &path).await.expect(201);
    for reply in replies {
        assert_eq!(reply.expect(201).json, paid.json);
    }
    assert_eq!(paid.header("idempotent-replayed"), "true");
    let named = keyed.post(&format!("{path}/pay"), json!({"payer_id": SENDER})).await.expect(201);
    assert_eq!(named.json, paid.json, "the payer is the same, said or not");
    assert_not_open(pay(&payer.keyed("another"), &path).await, "paid");
    let by_service = service.service.keyed("s");
    assert_not_open(by_service.post(&format!("{path}/pay"), json!({"payer_id": NAMED})).await, "paid");
    assert_eq!(service.users.verbs(), ["transfer", "transfer"]);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let service = service().await;
    let payee = service.user(PAYEE);
    for (field, value, code) in [
        ("payee_id", json!(0), "invalid_value"),
        ("amount", json!(0), "invalid_amount"),
        ("amount", json!(0.001), "invalid_amount"),
        ("description", json!("d".repeat(256)), "invalid_value"),
        ("payer_email", json!("jane"), "invalid_value"),
        ("payer_id", json!(1), "unknown_field"),
    ] {
        let mut body = lunch();
        body[field] = value;
        assert_names_field(payee.post("/payment-requests", body).await, code, field);
    }
    let _ = service.user(SENDER).post("/payment-requests", lunch()).await.expect_error(403, "forbidden");
    let _ = service.anyone.post("/payment-requests", lunch()).await.expect_error(401, "missing_token");
    let unknown = service.service.post("/payment-requests", json!({"payee_id": 99, "amount": 1})).await;
    assert_eq!(unknown.expect_error(404, "user_not_found")["fields"], json!({"payee_id": "does not exist"}));

    let path = ask(&service, lunch()).await;
    assert_names_field(pay(&payee, &path).await, "self_transfer", "payer_id");
    assert_names_field(pay(&service.service, &path).await, "missing_field", "payer_id");
    let _ = pay(&service.anyone, &path).await.expect_error(401, "missing_token");
    for wrong in ["1", "abc", &"A".repeat(32), &"a".repeat(33), "%ff"] {
        let reply = service.service.get(&format!("/payment-requests/{wrong}")).await;
        assert_names_field(reply, "invalid_value", "id");
    }
    let unknown = format!("/payment-requests/{}", "0".repeat(32));
    for reply in [
        service.service.get(&unknown).await,
        service.service.post(&format!("{unknown}/pay"), json!({"payer_id": 1})).await,
        decline(&service.service, &unknown).await,
        service.service.delete(&unknown).await,
    ] {
        let _ = reply.expect_error(404, "payment_request_not_found");
    }
    assert_eq!(service.users.verbs(), Vec::<String>::new());
}
