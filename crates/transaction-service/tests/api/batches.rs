//! Payments that are made together.

use lab::http::{Api, Reply};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    peers::{Reaction, UserService},
    support::{RECEIVER, SENDER, Service, ids},
};

const BATCH: &str = "/transactions/batch";

fn item(receiver: i64, amount: impl Into<Value>, auto_complete: bool) -> Value {
    json!({"sender_id": SENDER, "receiver_id": receiver, "amount": amount.into(), "auto_complete": auto_complete})
}

fn batch(atomic: bool, items: &[Value]) -> Value {
    json!({"atomic": atomic, "transactions": items})
}

async fn post(service: &Service, atomic: bool, items: &[Value]) -> Reply {
    service.service.post(BATCH, batch(atomic, items)).await
}

fn statuses(reply: &Reply) -> Vec<&str> {
    let results = reply["results"].as_array().unwrap_or_else(|| panic!("no results: {}", reply.text));
    results.iter().map(|item| item["status"].as_str().expect("a status")).collect()
}

#[track_caller]
fn named(reply: &Reply) -> Vec<&str> {
    reply["fields"].as_object().map(|fields| fields.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[tokio::test]
async fn each_item_of_a_batch_is_made_or_refused_alone_and_answered_in_its_place() {
    let service = Service::start().await;
    service.users.on("hold", Reaction::Refuses("insufficient_balance"));
    let mut other = item(2, 1, true);
    other["currency"] = json!("USD");
    let items = [
        item(2, 10_000, true),
        item(2, "1.001", true),
        item(3, 5, false),
        item(SENDER, 5, true),
        json!("no object"),
        other,
        item(4, 7, true),
    ];
    let made = post(&service, false, &items).await.expect(201);
    assert_eq!(made["status"], "partly_completed");
    assert_eq!(statuses(&made), ["completed", "failed", "failed", "failed", "failed", "failed", "completed"]);
    let results = &made["results"];
    assert_eq!((&results[1]["code"], &results[1]["transaction_id"]), (&json!("invalid_amount"), &Value::Null));
    assert!(results[1]["fields"]["amount"].is_string(), "{}", made.text);
    assert_eq!(results[2]["code"], "insufficient_balance");
    assert_eq!((&results[3]["code"], &results[4]["code"]), (&json!("self_transfer"), &json!("invalid_body")));
    assert_eq!(results[5]["fields"], json!({"currency": "is not known here"}));
    let shown = service.show(results[0]["transaction_id"].as_i64().unwrap()).await.expect(200);
    assert_eq!(
        (&shown["status"], &shown["amount"], &shown["batch_id"]),
        (&json!("completed"), &json!(10_000), &made["id"])
    );
    let again = service.service.get(&format!("/batches/{}", made.id())).await.expect(200);
    assert_eq!(again.json, made.json);
    let failed = post(&service, false, &[item(3, 5, false), item(2, 0, true)]).await.expect(201);
    assert_eq!(failed["status"], "failed");
    let whole = post(&service, false, &[item(3, 5, true)]).await.expect(201);
    assert_eq!((&whole["status"], &whole["atomic"]), (&json!("completed"), &json!(false)));
}

#[tokio::test]
async fn an_atomic_batch_is_one_step_of_user_service_and_all_of_it_or_nothing() {
    let service = Service::start().await;
    let items = [item(2, 10, true), item(3, 20, false), item(4, 30, true)];
    let made = post(&service, true, &items).await.expect(201);
    assert_eq!(statuses(&made), ["completed", "pending", "completed"]);
    assert_eq!((service.users.verbs(), &made["status"]), (vec!["batch".to_owned()], &json!("completed")));
    // what is pending goes on like any other
    let pending = made["results"][1]["transaction_id"].as_i64().unwrap();
    let _ = service.decide(pending, "completed").await.expect(200);

    service.users.on("batch", Reaction::Refuses("insufficient_balance"));
    let refused = post(&service, true, &items).await.expect_error(400, "insufficient_balance");
    let id = refused["batch_id"].as_i64().expect("its number");
    let shown = service.service.get(&format!("/batches/{id}")).await.expect(200);
    assert_eq!((statuses(&shown), &shown["status"]), (vec!["failed"; 3], &json!("failed")));
    assert_eq!(ids(&service.user(3).get("/transactions").await.expect(200)), [pending], "nobody was paid");
}

#[tokio::test]
async fn all_faults_of_an_atomic_batch_are_named_and_nothing_is_made() {
    let service = Service::start().await;
    let items = [item(2, 10, true), item(2, -1, true), item(SENDER, 1, true), item(lab::accounts::NOBODY, 1, true)];
    let refused = post(&service, true, &items).await.expect_error(400, "invalid_amount");
    let fields = ["transactions[1].amount", "transactions[2].receiver_id", "transactions[3].receiver_id"];
    assert_eq!(named(&refused), fields);
    assert!(service.users.verbs().is_empty());
    assert_eq!(service.service.get("/transactions").await.expect(200).json, json!([]));
    let unknown = post(&service, true, &[item(lab::accounts::NOBODY, 1, true)]).await;
    assert_eq!(named(&unknown.expect_error(400, "invalid_value")), ["transactions[0].receiver_id"]);
}

#[tokio::test]
async fn items_may_pay_several_or_a_fee() {
    let service = Service::start().await;
    let split = json!({"sender_id": SENDER, "amount": 100, "auto_complete": true, "splits": [
        {"receiver_id": 2, "amount": 33.34}, {"receiver_id": 3, "amount": 66.66},
    ]});
    let mut with_fee = item(2, 1_000, true);
    with_fee["fee"] = json!({"receiver_id": 3, "amount": 100});
    for atomic in [false, true] {
        let made = post(&service, atomic, &[split.clone(), with_fee.clone()]).await.expect(201);
        assert_eq!(statuses(&made), ["completed"; 2]);
        let shown = async |item: usize| {
            service.show(made["results"][item]["transaction_id"].as_i64().unwrap()).await.expect(200)
        };
        let splits = &shown(0).await["splits"];
        assert_eq!((&splits[1]["receiver_id"], &splits[1]["captured_amount"]), (&json!(3), &json!(66.66)));
        assert_eq!(shown(1).await["fee_amount"], 100);
        let made: Vec<i64> =
            (0..2).rev().map(|item| made["results"][item]["transaction_id"].as_i64().unwrap()).collect();
        assert_eq!(
            ids(&service.user(3).get("/transactions?limit=2").await.expect(200)),
            made,
            "who gets a share finds it"
        );
    }
    let (mut short, mut unknown, mut no_fee) = (split.clone(), split.clone(), with_fee.clone());
    short["splits"][1]["amount"] = json!(66.65);
    unknown["splits"][1]["receiver_id"] = json!(lab::accounts::NOBODY);
    no_fee["fee"]["receiver_id"] = json!(lab::accounts::NOBODY);
    let wrong = [short.clone(), unknown, no_fee, split];
    let refused = post(&service, true, &wrong).await.expect_error(400, "invalid_value");
    let fields = ["splits[1].amount", "splits[1].receiver_id", "fee.receiver_id"];
    let mut fields: Vec<String> = (0..).zip(fields).map(|(n, field)| format!("transactions[{n}].{field}")).collect();
    fields.sort();
    assert_eq!(named(&refused), fields);
    let alone = post(&service, false, &[short]).await.expect(201);
    assert!(alone["results"][0]["fields"]["splits[1].amount"].is_string(), "{}", alone.text);
}

#[tokio::test]
async fn a_batch_has_2000_receivers_at_most() {
    let service = Service::start().await;
    let to = |receivers: i64| {
        let splits: Vec<Value> = (2..2 + receivers).map(|user| json!({"receiver_id": user, "amount": 1})).collect();
        json!({"sender_id": SENDER, "amount": receivers, "auto_complete": true, "splits": splits})
    };
    let mut most = vec![to(20); 99];
    most.extend(vec![item(2, 1, true); 20]);
    for atomic in [false, true] {
        let made = post(&service, atomic, &most).await.expect(201);
        assert_eq!((&made["status"], statuses(&made).len()), (&json!("completed"), 119));
        let refused = post(&service, atomic, &[&most[..], &[to(1)]].concat()).await.expect_error(413, "too_many_items");
        assert_eq!(refused["limit"], 2_000);
    }
}

#[tokio::test]
async fn what_exceeds_a_limit_says_which_one_and_what_is_left() {
    let service = Service::start().await;
    let details = json!({"limit": "per_day", "remaining": 5, "resets_at": "2099-01-01T00:00:00.000000Z"});
    for verb in ["transfer", "batch"] {
        service.users.on(verb, Reaction::Exceeds(details.clone()));
    }
    let holds = |member: &Value| details.as_object().unwrap().iter().all(|(name, value)| &member[name] == value);
    let items = [item(2, 10, true), item(2, 10, false), item(2, 10, true)];
    let made = post(&service, false, &items).await.expect(201);
    let results = &made["results"];
    assert_eq!(results[0]["code"], "limit_exceeded");
    assert!(holds(&results[0]) && holds(&results[2]) && results[1].get("limit").is_none(), "{}", made.text);
    let again = service.service.get(&format!("/batches/{}", made.id())).await.expect(200);
    assert_eq!(again.json, made.json);
    let refused = post(&service, true, &items).await.expect_error(400, "limit_exceeded");
    assert!(holds(&refused.json), "{}", refused.text);
    let shown = service.service.get(&format!("/batches/{}", refused["batch_id"])).await.expect(200);
    assert!(shown["results"].as_array().unwrap().iter().all(holds), "{}", shown.text);
    let path = format!("{BATCH}?dry_run=true");
    let tried = service.service.post(&path, batch(false, &items)).await.expect(201);
    assert!(holds(&tried["results"][0]), "{}", tried.text);
    let tried = service.service.post(&path, batch(true, &items)).await.expect_error(400, "limit_exceeded");
    assert!(holds(&tried.json), "{}", tried.text);
}

#[tokio::test]
async fn a_batch_has_1_to_1000_items() {
    let service = Service::start().await;
    let _ = post(&service, false, &[]).await.expect_error(400, "invalid_value");
    let most = vec![item(2, 1, true); 1_000];
    let made = post(&service, true, &most).await.expect(201);
    assert!(made["results"].as_array().unwrap().len() == 1_000 && made["status"] == "completed");
    let alone = post(&service, false, &most).await.expect(201);
    assert_eq!(alone["status"], "completed");
    let more = vec![item(2, 1, true); 1_001];
    for atomic in [true, false] {
        let refused = post(&service, atomic, &more).await.expect_error(413, "too_many_items");
        assert_eq!(refused["limit"], 1_000);
    }
    let long = batch(false, &[json!({"description": "x".repeat(1024 * 1024)})]);
    let _ = service.service.post(BATCH, long).await.expect_error(413, "body_too_large");
}

#[tokio::test]
async fn a_batch_that_is_asked_again_is_made_once() {
    let service = Service::start().await;
    let items = [item(2, 10, true), item(2, -1, true)];
    for atomic in [false, true] {
        let keyed = service.service.keyed(&format!("payday {atomic}").replace(' ', "-"));
        let items = if atomic { &items[..1] } else { &items[..] };
        let first = keyed.post(BATCH, batch(atomic, items)).await.expect(201);
        let again = keyed.post(BATCH, batch(atomic, items)).await.expect(201);
        assert_eq!((first.json, again.header("idempotent-replayed")), (again.json.clone(), "true"));
        let _ = keyed.post(BATCH, batch(!atomic, items)).await.expect_error(422, "idempotency_key_reused");
    }
    assert_eq!(ids(&service.service.get("/transactions").await.expect(200)).len(), 2);
    // a refusal is answered again, too
    service.users.on("batch", Reaction::Refuses("insufficient_balance"));
    let keyed = service.service.keyed("refused");
    let first = keyed.post(BATCH, batch(true, &items[..1])).await.expect_error(400, "insufficient_balance");
    service.users.on("batch", Reaction::Applies);
    let again = keyed.post(BATCH, batch(true, &items[..1])).await.expect_error(400, "insufficient_balance");
    assert_eq!(first["batch_id"], again["batch_id"]);
}

#[tokio::test]
async fn two_equal_requests_at_once_make_one_batch() {
    let service = Service::start().await;
    for atomic in [false, true] {
        let keyed = service.service.keyed(&format!("at-once-{atomic}"));
        let body = batch(atomic, &[item(2, 10, true), item(3, 10, false)]);
        let (one, other) = tokio::join!(keyed.post(BATCH, body.clone()), keyed.post(BATCH, body));
        assert_eq!(one["id"], other["id"], "{} {}", one.text, other.text);
    }
    assert_eq!(ids(&service.service.get("/transactions").await.expect(200)).len(), 4);
}

#[tokio::test]
async fn what_is_not_known_of_a_batch_is_settled_later() {
    let service = Service::start().await;
    for (atomic, verb) in [(false, "transfer"), (true, "batch")] {
        service.users.on(verb, Reaction::Answers(500, r#"{"code": "internal_error"}"#));
        let open = post(&service, atomic, &[item(2, 10, true)]).await.expect(202);
        assert_eq!((&open["status"], statuses(&open)), (&json!("processing"), vec!["processing"]));
        service.users.on(verb, Reaction::Applies);
        service.start_workers();
        let id = open["results"][0]["transaction_id"].as_i64().unwrap();
        let _ = service.becomes(id, "completed").await;
        let settled = service.service.get(&format!("/batches/{}", open.id())).await.expect(200);
        assert_eq!(settled["status"], "completed");
    }
}

#[tokio::test]
async fn what_fails_after_its_money_was_held_is_told_as_news() {
    let service = Service::start().await;
    let [refused, held] = [10, 20].map(|amount| [item(RECEIVER, amount, false)]);
    service.users.on("hold", Reaction::Refuses("insufficient_balance"));
    let refused = post(&service, false, &refused).await.expect(201);
    service.users.on("hold", Reaction::Applies);
    let held = post(&service, false, &held).await.expect(201);
    let number = |reply: &Reply| reply["results"][0]["transaction_id"].as_i64().unwrap();
    let _ = service.decide(number(&held), "failed").await.expect(200);
    service.start_workers();
    service.everything_is_told().await;
    let told = service.notifications.told();
    for (reply, is_answered) in [(&refused, Some(true)), (&held, None)] {
        let id = format!("transaction:{}:failed", number(reply));
        let fact = told.iter().find(|fact| fact["id"] == id).expect("it is told");
        assert_eq!(fact["data"]["refused_at_once"].as_bool(), is_answered, "{fact}");
    }
}

#[tokio::test]
async fn while_user_service_is_away_an_atomic_batch_is_given_up_and_its_key_is_free() {
    let service = Service::start_with_users_at(crate::peers::unreachable()).await;
    let keyed = service.service.keyed("away");
    // without a look at the accounts: that fails first
    let refused = keyed.post(BATCH, batch(true, &[item(2, 10, true)])).await;
    let _ = refused.expect_error(503, "service_unavailable");
}

#[tokio::test]
async fn while_user_service_is_away_the_items_of_a_batch_wait_for_it() {
    let port = lab::ports::free_port();
    let url = format!("http://127.0.0.1:{port}").parse().unwrap();
    let service = Service::start_with_users_at(url).await;
    let keyed = service.service.keyed("away");
    let body = batch(false, &[item(2, 10, true), item(2, 20, true)]);
    let open = keyed.post(BATCH, body.clone()).await.expect(202);
    assert_eq!((&open["status"], statuses(&open)), (&json!("processing"), vec!["processing"; 2]));
    let _users = UserService::start_on(port).await;
    service.start_workers();
    for result in open["results"].as_array().unwrap() {
        let _ = service.becomes(result["transaction_id"].as_i64().unwrap(), "completed").await;
    }
    let again = keyed.post(BATCH, body).await.expect(201);
    assert_eq!((&again["status"], again.id()), (&json!("completed"), open.id()));
}

#[tokio::test]
async fn a_user_pays_from_its_own_account_and_sees_its_own_batches() {
    let service = Service::start_with(|config| config.service.mode = common::config::Mode::Production).await;
    let user = service.user(RECEIVER);
    let mut own = item(3, 1, true);
    own["sender_id"] = json!(RECEIVER);
    let made = user.post(BATCH, batch(false, &[own.clone(), item(3, 1, true)])).await.expect(201);
    assert_eq!((statuses(&made), &made["results"][1]["code"]), (vec!["completed", "failed"], &json!("forbidden")));
    let refused = user.post(BATCH, batch(true, &[own, item(3, 1, true)])).await.expect_error(400, "invalid_value");
    assert_eq!(named(&refused), ["transactions[1].sender_id"]);
    let path = format!("/batches/{}", made.id());
    let _ = user.get(&path).await.expect(200);
    let _ = service.service.get(&path).await.expect(200);
    let _ = service.user(SENDER).get(&path).await.expect_error(404, "batch_not_found");
    let _ = user.get("/batches/999").await.expect_error(404, "batch_not_found");
    let _ = service.anyone.post(BATCH, batch(false, &[])).await.expect(401);
}

async fn post_csv(api: &Api, query: &str, text: &str) -> Reply {
    let csv = api.clone().with("content-type", "text/csv; charset=utf-8");
    csv.send(Method::POST, &format!("{BATCH}{query}"), Some(text.to_owned())).await
}

#[tokio::test]
async fn payouts_come_from_a_spreadsheet() {
    let service = Service::start().await;
    let text = "receiver,amount,description,reference\r\n2,10000.50,\"Salary, May\",PAY-1\r\nx,1,,\r\n3,\"0\",,\r\n";
    let made = post_csv(&service.service, "?sender_id=1", text).await.expect(201);
    assert_eq!((statuses(&made), &made["status"]), (vec!["completed", "failed", "failed"], &json!("partly_completed")));
    assert!(made["results"][1]["fields"]["line 3, receiver"].is_string(), "{}", made.text);
    assert!(made["results"][2]["fields"]["line 4, amount"].is_string(), "{}", made.text);
    let paid = service.show(made["results"][0]["transaction_id"].as_i64().unwrap()).await.expect(200);
    assert_eq!((&paid["amount"], &paid["reference"]), (&json!(10000.5), &json!("PAY-1")));
    assert_eq!(paid["description"], "Salary, May");
    let refused = post_csv(&service.service, "?sender_id=1&atomic=true", text).await.expect(400);
    assert_eq!(named(&refused), ["line 3, receiver", "line 4, amount"]);
    let whole = post_csv(&service.user(SENDER), "?atomic=true", "receiver,amount\n2,1\n3,2\n").await.expect(201);
    assert_eq!((statuses(&whole), &whole["atomic"]), (vec!["completed"; 2], &json!(true)));
    let _ = post_csv(&service.service, "", text).await.expect_error(400, "missing_field");
    let _ = post_csv(&service.service, "?sender=1", text).await.expect_error(400, "unknown_field");
    let json = service.service.post("/transactions/batch?atomic=true", batch(false, &[item(2, 1, true)])).await;
    let _ = json.expect_error(400, "invalid_value");
    let other = service.service.clone().with("content-type", "text/plain");
    let _ = other.send(Method::POST, BATCH, Some(text.to_owned())).await.expect(415);
}
