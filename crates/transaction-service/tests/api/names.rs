//! `?expand=parties`: the names of those who pay and are paid.

use serde_json::{Value, json};

use crate::{
    peers::unreachable,
    support::{RECEIVER, SENDER, Service, assert_names_field, payment},
};

/// Accounts whose names one call asks for.
const NAMES_AT_ONCE: usize = 200;

async fn named() -> Service {
    let service = Service::start().await;
    service.users.is_named(SENDER, "Jane D.");
    service.users.is_named(RECEIVER, "John");
    service
}

#[tokio::test]
async fn lists_and_a_transaction_show_both_names_to_whoever_asks_for_them() {
    let service = named().await;
    let id = service.pending().await;
    let plain = service.show(id).await.expect(200);
    assert!(plain["sender"].is_null() && plain["receiver"].is_null(), "{}", plain.text);
    let mut expanded = plain.json.clone();
    expanded["sender"] = json!({"id": SENDER, "display_name": "Jane D."});
    expanded["receiver"] = json!({"id": RECEIVER, "display_name": "John"});
    for (path, is_list) in [
        (format!("/transactions/{id}?expand=parties"), false),
        ("/transactions?expand=parties".to_owned(), true),
        (format!("/transactions/user/{SENDER}?expand=parties"), true),
    ] {
        let callers = [service.user(SENDER), service.service.clone()];
        for api in callers {
            let shown = api.get(&path).await.expect(200);
            let shown = if is_list { &shown.json[0] } else { &shown.json };
            assert_eq!(shown, &expanded, "{path}");
        }
    }
    assert_eq!(service.users.asked_names(), [2; 6]);
}

#[tokio::test]
async fn an_account_that_is_closed_has_no_name() {
    let service = Service::start().await;
    service.users.is_named(SENDER, "Jane D.");
    let id = service.pending().await;
    let shown = service.service.get(&format!("/transactions/{id}?expand=parties")).await.expect(200);
    assert_eq!(shown["receiver"], json!({"id": RECEIVER, "display_name": "Closed account"}));
    assert_eq!(shown["sender"]["display_name"], "Jane D.");
}

#[tokio::test]
async fn a_page_asks_for_the_names_of_all_its_transactions_at_once() {
    let service = named().await;
    // one more than fit into a call, each paid once
    for receiver in 2..=i64::try_from(NAMES_AT_ONCE).unwrap() + 1 {
        let mut body = payment(1);
        body["receiver_id"] = json!(receiver);
        let _ = service.create(body).await.expect(201);
    }
    let page = service.service.get("/transactions?expand=parties&limit=200").await.expect(200);
    assert!(page.json.as_array().unwrap().iter().all(|item| item["sender"]["display_name"] == "Jane D."));
    let mut asked = service.users.asked_names();
    asked.sort_unstable();
    assert_eq!(asked, [1, NAMES_AT_ONCE]);
    let few = service.service.get("/transactions?expand=parties&limit=3").await.expect(200);
    assert!(few.next().expect("there are more").contains("expand=parties"));
    assert_eq!(service.users.asked_names().last(), Some(&4), "the sender and three receivers");
    let none = service.service.get("/transactions?expand=parties&status=failed").await.expect(200);
    assert_eq!((&none.json, service.users.asked_names().len()), (&json!([]), 3), "nobody is asked for nobody");
}

#[tokio::test]
async fn nothing_else_can_be_asked_for_and_without_user_service_there_are_no_names() {
    let service = Service::start_with_users_at(unreachable()).await;
    for path in ["/transactions".to_owned(), format!("/transactions/user/{SENDER}"), "/transactions/1".to_owned()] {
        for word in ["party", "Parties", ""] {
            let refused = service.service.get(&format!("{path}?expand={word}")).await;
            assert_names_field(refused, "invalid_value", "expand");
        }
    }
    let pending = service.create(payment(1)).await.expect_error(503, "service_unavailable");
    assert_eq!(pending["transaction_id"], Value::Null);
    service.run("UPDATE transactions SET hidden_at = NULL").await;
    let list = service.service.get("/transactions").await.expect(200);
    let id = list.json[0]["id"].as_i64().expect("a transaction that was not sent");
    for path in [format!("/transactions/{id}"), "/transactions".to_owned()] {
        let refused = service.service.get(&format!("{path}?expand=parties")).await;
        let _ = refused.expect_error(503, "service_unavailable");
        let _ = service.service.get(&path).await.expect(200);
    }
}
