//! The feed of entries.

use std::{collections::BTreeMap, time::Duration};

use lab::http::eventually;
use serde_json::{Value, json};

use crate::support::{Service, User, assert_names_field, capture, hold, refund, release, transfer};

/// What an entry says: kind, whose, how much, the balance after it, and who is on the other side.
type Said = (String, i64, i64, i64, Option<i64>);

fn said(entry: &Value) -> Said {
    let number = |field: &str| entry[field].as_i64();
    let (user, amount, balance) = (number("user_id"), number("amount"), number("balance_after"));
    let kind = entry["kind"].as_str().unwrap().to_owned();
    (kind, user.unwrap(), amount.unwrap(), balance.unwrap(), number("counterparty_id"))
}

async fn page(service: &Service, after: i64, limit: usize) -> Value {
    service.service.get(&format!("/internal/entries?after={after}&limit={limit}")).await.expect(200).json
}

/// Every entry, in pages of `limit` operations. What comes again counts once.
async fn all(service: &Service, limit: usize) -> Vec<Value> {
    let (mut entries, mut after) = (BTreeMap::new(), 0);
    loop {
        let page = page(service, after, limit).await;
        for entry in page["entries"].as_array().unwrap() {
            entries.insert(entry["id"].as_i64().unwrap(), entry.clone());
        }
        if page["is_end"] == true {
            return entries.into_values().collect();
        }
        if page["position"] == after {
            tokio::time::sleep(Duration::from_millis(20)).await; // a page that is full ends before what may yet be committed
        }
        after = page["position"].as_i64().unwrap();
    }
}

async fn apply(service: &Service, step: Value) {
    assert_eq!(service.execute(json!([step])).await, ["applied"]);
}

async fn three() -> (Service, [User; 3]) {
    let service = Service::start().await;
    let users = [service.user("ani", 0).await, service.user("budi", 0).await, service.user("citra", 0).await];
    (service, users)
}

#[tokio::test]
async fn each_movement_is_an_entry_of_its_kind_and_all_of_them_add_up() {
    let (service, [ani, budi, citra]) = three().await;
    let (a, b, c) = (ani.id, budi.id, citra.id);
    let topup = json!({"amount": 1_000, "reference": "bank-1"});
    let _ = ani.api.post(&ani.path("/topup"), topup).await.expect(200);
    let _ = ani.debit(100).await.expect(200);
    let _ = ani.debit(100_000).await.expect(400);
    apply(&service, transfer(1, &ani, &budi, 50)).await;
    apply(&service, transfer(1, &ani, &budi, 50)).await;
    apply(&service, hold(2, &ani, &budi, 40)).await;
    let mut last = capture(2, 2, &ani, &budi, 30);
    last["capture"]["final"] = json!(true);
    apply(&service, last).await;
    apply(&service, hold(3, &ani, &citra, 20)).await;
    apply(&service, release(3, 2, &ani, &citra)).await;
    apply(&service, refund(4, 1, &budi, &ani, 5)).await;
    let mut shared = transfer(5, &ani, &budi, 10);
    let fee = json!({"receiver_id": c, "amount": 3, "is_fee": true});
    shared["transfer"]["shares"] = json!([{"receiver_id": b, "amount": 7}, fee]);
    apply(&service, shared).await;
    let steps = json!([transfer(6, &ani, &citra, 1), hold(7, &ani, &budi, 2)]);
    apply(&service, json!({"batch": {"batch_id": 1, "steps": steps}})).await;
    let _ = service.service.delete(&citra.path("")).await.expect(200);

    let entries = all(&service, 3).await;
    let word = str::to_owned;
    let expected: Vec<Said> = vec![
        (word("topup"), a, 1_000, 1_000, None),
        (word("debit"), a, -100, 900, None),
        (word("transfer"), a, -50, 850, Some(b)),
        (word("transfer"), b, 50, 50, Some(a)),
        (word("hold"), a, -40, 810, Some(b)),
        (word("capture"), b, 30, 80, Some(a)),
        (word("release"), a, 10, 820, Some(b)),
        (word("hold"), a, -20, 800, Some(c)),
        (word("release"), a, 20, 820, Some(c)),
        (word("refund"), b, -5, 75, Some(a)),
        (word("refund"), a, 5, 825, Some(b)),
        (word("transfer"), a, -10, 815, Some(b)),
        (word("transfer"), b, 7, 82, Some(a)),
        (word("fee"), c, 3, 3, Some(a)),
        (word("payout"), a, -1, 814, Some(c)),
        (word("payout"), c, 1, 4, Some(a)),
        (word("hold"), a, -2, 812, Some(b)),
        (word("payout"), c, -4, 0, None),
    ];
    assert_eq!(entries.iter().map(said).collect::<Vec<_>>(), expected);
    assert_eq!((&entries[0]["reference"], &entries[2]["transaction_id"]), (&json!("bank-1"), &json!(1)));
    assert_eq!(entries[14]["transaction_id"], 6);
    let ids: Vec<i64> = entries.iter().map(|entry| entry["id"].as_i64().unwrap()).collect();
    assert!(ids.is_sorted_by(|one, other| one < other), "{ids:?}");
    let closed: Vec<Value> = vec![page(&service, 0, 5_000).await["closed"].clone()];
    assert_eq!(closed, [json!([c])]);
    assert_eq!(all(&service, 5_000).await, entries, "however many come at once");
}

#[tokio::test]
async fn an_answer_says_before_when_all_is_there() {
    let (service, [ani, ..]) = three().await;
    for _ in 0..3 {
        let _ = ani.top_up(5).await.expect(200);
    }
    let full = service.service.get("/internal/entries?limit=2").await.expect(200);
    let last = &full["entries"].as_array().unwrap()[1];
    assert_eq!((full.header("x-data-as-of"), &full["is_end"]), (last["created_at"].as_str().unwrap(), &json!(false)));
    let end = service.service.get(&format!("/internal/entries?after={}", full["position"])).await.expect(200);
    let moment = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    let newest = moment(end["entries"].as_array().unwrap()[0]["created_at"].as_str().unwrap());
    assert!(end["is_end"] == true && moment(end.header("x-data-as-of")) > newest);
    let nothing = service.service.get(&format!("/internal/entries?after={}", end["position"])).await.expect(200);
    assert_eq!(
        (&nothing["entries"], &nothing["position"], &nothing["is_end"]),
        (&json!([]), &end["position"], &json!(true))
    );
    assert_names_field(service.service.get("/internal/entries?limit=5001").await, "invalid_value", "limit");
    let _ = service.anyone.get("/internal/entries").await.expect(401);
}

/// Begins an operation that tops `user` up, and does not commit it.
async fn late(service: &Service, user: &User) -> sqlx::Transaction<'static, sqlx::MySql> {
    let mut late = service.database.pool().begin().await.unwrap();
    sqlx::query(
        "INSERT INTO operations (reference, fingerprint, kind, user_id, balance_after, actor)
         VALUES ('late', REPEAT('x', 32), 'topup', ?, 7, 'test')",
    )
    .bind(user.id)
    .execute(&mut *late)
    .await
    .unwrap();
    sqlx::query("INSERT INTO ledger_entries VALUES (LAST_INSERT_ID(), 0, 'available', ?, 7, 7, NULL, NULL)")
        .bind(user.id)
        .execute(&mut *late)
        .await
        .unwrap();
    late
}

/// The users of all entries that the feed shows, and the place at which the next page begins.
async fn shown(service: &Service) -> (Vec<i64>, i64) {
    let page = page(service, 0, 100).await;
    assert_eq!(page["is_end"], true);
    let users = page["entries"].as_array().unwrap().iter().map(|entry| entry["user_id"].as_i64().unwrap());
    (users.collect(), page["position"].as_i64().unwrap())
}

#[tokio::test]
async fn the_next_page_begins_before_an_operation_that_is_not_committed() {
    let (service, [ani, budi, citra]) = three().await;
    let _ = ani.top_up(1).await.expect(200);
    let (_, first) = shown(&service).await;
    let late = late(&service, &citra).await;
    let _ = budi.top_up(1).await.expect(200);
    assert_eq!(shown(&service).await, (vec![ani.id, budi.id], first), "and others do not wait for it");
    let page = page(&service, first, 1).await;
    let place = |page: &Value| (page["position"].as_i64().unwrap(), page["is_end"] == true, page["is_held_up"] == true);
    assert_eq!(place(&page), (first, false, true), "however little is asked for");
    // it is not taken for one that was rolled back, however old what is behind it looks, as long as its row is locked
    let aged = format!("UPDATE operations SET created_at = created_at - INTERVAL 30 MINUTE WHERE id = {}", first + 2);
    service.run(&aged).await;
    assert_eq!(shown(&service).await, (vec![ani.id, budi.id], first));
    late.commit().await.unwrap();
    assert_eq!(shown(&service).await, (vec![ani.id, citra.id, budi.id], first + 2), "and then in its place");
}

#[tokio::test]
async fn what_was_rolled_back_is_passed_over_after_a_while() {
    let (service, [ani, budi, citra]) = three().await;
    let _ = ani.top_up(1).await.expect(200);
    let (_, first) = shown(&service).await;
    late(&service, &citra).await.rollback().await.unwrap();
    let _ = budi.top_up(1).await.expect(200);
    assert_eq!(shown(&service).await, (vec![ani.id, budi.id], first), "it may have got its number only now");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let passed = async || (shown(&service).await == (vec![ani.id, budi.id], first + 2)).then_some(());
    eventually("the gap to be passed", passed).await;
}
