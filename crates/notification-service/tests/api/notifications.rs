//! Every route as it is documented.

use lab::http::Reply;
use serde_json::{Value, json};

use crate::support::{
    service::{Service, pluck},
    users::{ANI, BUDI},
};

const MESSAGE: &str = "Your payment of Rp 50,000 has been successfully processed.";

#[track_caller]
fn assert_utc(value: &Value) {
    let text = value.as_str().unwrap_or_else(|| panic!("no time: {value}"));
    assert!(text.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(text).is_ok(), "{text}");
}

#[tokio::test]
async fn a_new_notification_is_pending() {
    let service = Service::start().await;
    let body = json!({"user_id": ANI, "message": MESSAGE});
    let made = service.api.as_service().post("/notifications", body).await.expect(201);
    assert!(made.id() > 0);
    assert_eq!(
        (&made["user_id"], &made["message"], &made["status"]),
        (&json!(ANI), &json!(MESSAGE), &json!("pending"))
    );
    assert_utc(&made["created_at"]);

    let shown = service.api.get(&format!("/notifications/{}", made.id())).await.expect(200);
    assert_eq!(shown.json, made.json);
}

#[tokio::test]
async fn an_update_sets_message_and_status() {
    let service = Service::start().await;
    let id = service.notify(ANI, MESSAGE).await;
    let path = format!("/notifications/{id}");
    let text = "Your payment is being processed.";
    let changed = service.api.put(&path, json!({"message": text, "status": "pending"})).await.expect(200);
    assert_eq!(
        (&changed["id"], &changed["user_id"], &changed["message"], &changed["status"]),
        (&json!(id), &json!(ANI), &json!(text), &json!("pending"))
    );
    assert_utc(&changed["updated_at"]);

    for status in ["sent", "failed", "pending"] {
        let changed = service.api.put(&path, json!({"status": status})).await.expect(200);
        assert_eq!((&changed["status"], &changed["message"]), (&json!(status), &json!(text)));
        assert_eq!(service.show(id).await["status"], status);
    }
    let changed = service.api.put(&path, json!({"message": "Other words"})).await.expect(200);
    assert_eq!((&changed["status"], &changed["message"]), (&json!("pending"), &json!("Other words")));
}

#[tokio::test]
async fn an_update_that_is_not_as_it_must_be_changes_nothing() {
    let service = Service::start().await;
    let id = service.notify(ANI, MESSAGE).await;
    let before = service.show(id).await;
    for (body, code) in [
        (json!({}), "nothing_to_change"),
        (json!({"status": "delivered"}), "invalid_value"),
        (json!({"status": "SENT"}), "invalid_value"),
        (json!({"message": ""}), "invalid_value"),
        (json!({"message": "x".repeat(1001)}), "invalid_value"),
        (json!({"message": "Fine", "user_id": BUDI}), "unknown_field"),
    ] {
        let _ = service.api.put(&format!("/notifications/{id}"), body).await.expect_error(400, code);
    }
    assert_eq!(service.show(id).await.json, before.json);
}

#[tokio::test]
async fn a_deleted_notification_is_gone() {
    let service = Service::start().await;
    let (kept, deleted) = (service.notify(ANI, "Kept").await, service.notify(ANI, "Deleted").await);
    let path = format!("/notifications/{deleted}");
    let answer = service.api.delete(&path).await.expect(200);
    assert_eq!(answer["message"], "Notification deleted successfully");

    let not_found = |reply: Reply| drop(reply.expect_error(404, "notification_not_found"));
    not_found(service.api.get(&path).await);
    not_found(service.api.put(&path, json!({"status": "sent"})).await);
    not_found(service.api.delete(&path).await);
    not_found(service.send(deleted).await);
    not_found(service.resend(deleted).await);
    let list = service.api.get("/notifications").await.expect(200);
    assert_eq!(pluck(&list.json, "id"), [json!(kept)]);
    assert!(service.files().is_empty(), "nothing was mailed");
}

#[tokio::test]
async fn a_number_that_is_none_is_400_and_one_without_a_notification_404() {
    let service = Service::start().await;
    for (id, status, code) in [
        ("abc", 400, "invalid_value"),
        ("0", 400, "invalid_value"),
        ("-1", 400, "invalid_value"),
        ("1.5", 400, "invalid_value"),
        ("12345", 404, "notification_not_found"),
    ] {
        let path = format!("/notifications/{id}");
        let _ = service.api.get(&path).await.expect_error(status, code);
        let _ = service.api.put(&path, json!({"status": "sent"})).await.expect_error(status, code);
        let _ = service.api.delete(&path).await.expect_error(status, code);
        for action in ["send", "resend"] {
            let _ = service.api.post_empty(&format!("{path}/{action}")).await.expect_error(status, code);
        }
    }
}

#[tokio::test]
async fn sending_answers_sent_and_a_second_time_mails_nothing() {
    let service = Service::start().await;
    let id = service.notify(ANI, MESSAGE).await;
    let sent = service.send(id).await.expect(200);
    assert_eq!(sent.json, json!({"message": "Notification sent successfully", "status": "sent"}));
    assert_eq!(service.show(id).await["status"], "sent");
    let first = service.files();
    assert_eq!(first.len(), 1);

    let again = service.send(id).await.expect(200);
    assert_eq!(again.json, sent.json);
    assert_eq!(service.files(), first, "a second mail would carry another date or boundary");
}

#[tokio::test]
async fn only_a_failed_notification_is_sent_again() {
    let service = Service::start().await;
    let id = service.notify(ANI, MESSAGE).await;
    let pending = service.resend(id).await.expect_error(409, "notification_not_failed");
    assert_eq!(pending["status"], "pending");
    assert!(service.files().is_empty());

    let _ = service.api.put(&format!("/notifications/{id}"), json!({"status": "failed"})).await.expect(200);
    let resent = service.resend(id).await.expect(200);
    assert_eq!(resent.json, json!({"message": "Notification resent successfully", "status": "sent"}));
    assert_eq!(service.files().len(), 1);

    let sent = service.resend(id).await.expect_error(409, "notification_not_failed");
    assert_eq!(sent["status"], "sent");
}

#[tokio::test]
async fn a_failed_notification_can_be_sent_as_well() {
    let service = Service::start().await;
    let id = service.notify_failed(ANI, MESSAGE).await;
    assert_eq!(service.send(id).await.expect(200)["status"], "sent");
    assert_eq!(service.files().len(), 1);
}

#[tokio::test]
async fn a_message_is_one_to_a_thousand_characters_without_control_characters() {
    let service = Service::start().await;
    let api = service.api.as_service();
    for message in [
        String::new(),
        "   ".into(),
        "x".repeat(1001),
        "é".repeat(1001),
        "two\r\nlines".into(),
        "in\u{200b}visible".into(),
        "Subject\r\nBcc: evil@example.com".into(),
        "nul\0".into(),
        "delete\u{7f}".into(),
    ] {
        let refused = api.post("/notifications", json!({"user_id": ANI, "message": message})).await;
        let refused = refused.expect_error(400, "invalid_value");
        assert!(refused["fields"]["message"].is_string(), "{message:?}: {}", refused.text);
    }
    for (message, kept) in [
        ("x".to_owned(), "x".to_owned()),
        ("x".repeat(1000), "x".repeat(1000)),
        ("two\nlines".to_owned(), "two\nlines".to_owned()),
        ("é".repeat(1000), "é".repeat(1000)),
        ("💸".repeat(1000), "💸".repeat(1000)),
        ("  Pembayaran diterima  ".to_owned(), "Pembayaran diterima".to_owned()),
    ] {
        let made = api.post("/notifications", json!({"user_id": ANI, "message": message})).await.expect(201);
        assert_eq!(service.show(made.id()).await["message"], kept);
    }
}

#[tokio::test]
async fn what_is_no_notification_is_refused_by_name() {
    let service = Service::start().await;
    for (body, code, field) in [
        (json!({"message": MESSAGE}), "missing_field", "user_id"),
        (json!({"user_id": ANI}), "missing_field", "message"),
        (json!({"user_id": 0, "message": MESSAGE}), "invalid_value", "user_id"),
        (json!({"user_id": -1, "message": MESSAGE}), "invalid_value", "user_id"),
        (json!({"user_id": 1.5, "message": MESSAGE}), "invalid_value", "user_id"),
        (json!({"user_id": "1", "message": MESSAGE}), "invalid_value", "user_id"),
        (json!({"user_id": ANI, "message": 7}), "invalid_value", "message"),
        (json!({"user_id": ANI, "message": null}), "invalid_value", "message"),
        (json!({"user_id": ANI, "message": MESSAGE, "status": "sent"}), "unknown_field", "status"),
    ] {
        let refused = service.api.as_service().post("/notifications", body.clone()).await.expect_error(400, code);
        assert!(refused["fields"][field].is_string(), "{body}: {}", refused.text);
    }
    let malformed = service.api.as_service().post_text("/notifications", "{\"user_id\": 1,").await;
    let _ = malformed.expect_error(400, "malformed_json");
    let list = service.api.get("/notifications").await.expect(200);
    assert_eq!(list.json, json!([]), "nothing was stored");
}

#[tokio::test]
async fn a_list_is_newest_first_and_paged_by_its_link() {
    let service = Service::start().await;
    let mut newest_first = Vec::new();
    for n in 1..=5 {
        newest_first.insert(0, json!(service.notify(ANI, &format!("Number {n}")).await));
    }
    let all = service.api.get("/notifications").await.expect(200);
    assert_eq!((pluck(&all.json, "id"), all.next()), (newest_first.clone(), None));

    let (mut read, mut sizes) = (Vec::new(), Vec::new());
    let mut next = Some("/notifications?limit=2".to_owned());
    while let Some(path) = next {
        let page = service.api.get(&path).await.expect(200);
        let ids = pluck(&page.json, "id");
        sizes.push(ids.len());
        read.extend(ids);
        next = page.next();
    }
    assert_eq!((read, sizes), (newest_first, vec![2, 2, 1]));
    let full = service.api.get("/notifications?limit=5").await.expect(200);
    assert_eq!(full.next(), None, "a full last page has no next one");
}

#[tokio::test]
async fn a_list_refuses_what_it_does_not_know() {
    let service = Service::start().await;
    for query in ["limit=0", "limit=201", "limit=x", "limit=-1", "cursor=x", "cursor=0"] {
        let _ = service.api.get(&format!("/notifications?{query}")).await.expect_error(400, "invalid_value");
    }
    let _ = service.api.get("/notifications?sender_id=1").await.expect_error(400, "unknown_field");
}

#[tokio::test]
async fn errors_of_the_router_are_json_too() {
    let service = Service::start().await;
    let _ = service.api.get("/nowhere").await.expect_error(404, "route_not_found");
    let _ = service.api.delete("/notifications").await.expect_error(405, "method_not_allowed");
    let large = json!({"user_id": ANI, "message": "x".repeat(70_000)});
    let _ = service.api.as_service().post("/notifications", large).await.expect_error(413, "body_too_large");
}

#[tokio::test]
async fn lists_are_filtered_by_status_user_and_time() {
    let service = Service::start().await;
    let mut ids = Vec::new();
    for user in [1, 2, 1] {
        ids.push(service.notify(user, "Hello").await);
    }
    let _ = service.api.put(&format!("/notifications/{}", ids[2]), json!({"status": "failed"})).await.expect(200);
    let middle = service.show(ids[1]).await["created_at"].as_str().expect("a moment").to_owned();
    let [one, two, three] = ids[..] else { panic!("three were made") };
    for (query, expected) in [
        ("user_id=1".to_owned(), vec![three, one]),
        ("user_id=9".to_owned(), vec![]),
        ("status=failed".to_owned(), vec![three]),
        ("status=failed&user_id=2".to_owned(), vec![]),
        (format!("from={middle}"), vec![three, two]),
        (format!("to={middle}"), vec![one]),
        (format!("from={middle}&to={middle}"), vec![]),
        ("from=2999-01-01".to_owned(), vec![]),
    ] {
        let page = service.api.get(&format!("/notifications?{query}")).await.expect(200);
        let expected: Vec<Value> = expected.into_iter().map(Value::from).collect();
        assert_eq!(pluck(&page.json, "id"), expected, "{query}");
    }
    for query in ["status=lost", "user_id=0", "from=yesterday", "sender_id=1"] {
        let _ = service.api.get(&format!("/notifications?{query}")).await.expect(400);
    }
}

#[tokio::test]
async fn a_user_sees_its_own_whatever_it_asks_for() {
    let service = Service::in_production().await;
    let own = service.notify(1, "Hello").await;
    let _ = service.notify(2, "Hello").await;
    for (query, expected) in [("", vec![own]), ("?user_id=1", vec![own]), ("?user_id=2", vec![])] {
        let page = service.as_user(1).get(&format!("/notifications{query}")).await.expect(200);
        let expected: Vec<Value> = expected.into_iter().map(Value::from).collect();
        assert_eq!(pluck(&page.json, "id"), expected, "{query}");
    }
}

#[tokio::test]
async fn in_production_a_list_holds_only_what_the_caller_may_see() {
    let service = Service::in_production().await;
    let mut own = Vec::new();
    for n in 1..=3 {
        own.insert(0, json!(service.notify(ANI, &format!("For Ani {n}")).await));
        service.notify(BUDI, &format!("For Budi {n}")).await;
    }
    let ani = service.as_user(ANI);
    let first = ani.get("/notifications?limit=2").await.expect(200);
    assert_eq!(pluck(&first.json, "id"), own[..2]);
    let rest = ani.get(&first.next().expect("a second page")).await.expect(200);
    assert_eq!((pluck(&rest.json, "id"), rest.next()), (own[2..].to_vec(), None));
    let all = service.api.as_service().get("/notifications").await.expect(200);
    assert_eq!(pluck(&all.json, "id").len(), 6);
}
