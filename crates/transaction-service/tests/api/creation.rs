//! `POST /transactions`: what is taken, what is refused.

use serde_json::{Value, json};

use crate::{
    peers::Reaction,
    support::{
        RECEIVER, SENDER, Service, assert_documented, assert_is_moment, assert_names_field, ids, immediate, payment,
    },
};

#[tokio::test]
async fn the_documented_requests_get_the_documented_answers() {
    let service = Service::start().await;
    let documented = json!({"sender_id": 1, "receiver_id": 2, "amount": 10000, "description": "Payment for goods"});
    let created = service.create(documented.clone()).await.expect(201);
    assert_documented(&created, &documented);
    assert_eq!(created["status"], "pending");
    assert_is_moment(&created, "created_at");

    let id = created.id();
    let shown = service.anyone.get(&format!("/transactions/{id}")).await.expect(200);
    assert_eq!(shown.text, created.text);
    assert_eq!(service.anyone.get("/transactions").await.expect(200).json, json!([created.json]));
    assert_eq!(service.anyone.get("/transactions/user/1").await.expect(200).json, json!([created.json]));

    let path = format!("/transactions/{id}");
    let updated = service.anyone.put(&path, json!({"status": "completed"})).await.expect(200);
    assert_documented(&updated, &documented);
    assert_eq!((updated.id(), &updated["status"]), (id, &json!("completed")));
    assert_is_moment(&updated, "updated_at");

    let deleted = service.anyone.delete(&path).await.expect(200);
    assert_eq!(deleted.json, json!({"message": "Transaction deleted successfully"}));
}

#[tokio::test]
async fn a_creation_sets_the_money_aside_and_auto_complete_moves_it_at_once() {
    let service = Service::start().await;
    let id = service.create(payment(10_000)).await.expect(201).id();
    let moved = service.create(immediate(50_000)).await.expect(201);
    assert_eq!(moved["status"], "completed");
    assert_eq!(service.show(moved.id()).await.expect(200)["status"], "completed");
    let asked: Vec<Value> =
        service.users.calls().iter().map(|call| serde_json::from_str(&call.body).expect("a JSON body")).collect();
    let step = |id: i64, amount: i64| json!({"transaction_id": id, "sender_id": SENDER, "receiver_id": RECEIVER, "amount": amount});
    assert_eq!(asked[0], json!({"operations": [{"hold": step(id, 10_000)}]}));
    assert_eq!(asked[1], json!({"operations": [{"transfer": step(moved.id(), 50_000)}]}));
    assert_eq!(asked.len(), 2);
}

#[tokio::test]
async fn each_wrong_field_is_named_and_nothing_is_asked_for() {
    let service = Service::start().await;
    for (field, value, code) in [
        ("sender_id", json!(0), "invalid_value"),
        ("sender_id", json!(-1), "invalid_value"),
        ("sender_id", json!("1"), "invalid_value"),
        ("sender_id", json!(1.5), "invalid_value"),
        ("sender_id", Value::Null, "invalid_value"),
        ("receiver_id", json!(0), "invalid_value"),
        ("receiver_id", json!(u64::MAX), "invalid_value"),
        ("receiver_id", json!(SENDER), "self_transfer"),
        ("amount", json!(0), "invalid_amount"),
        ("amount", json!(-1), "invalid_amount"),
        ("amount", json!(0.001), "invalid_amount"),
        ("amount", json!("abc"), "invalid_amount"),
        ("amount", json!("NaN"), "invalid_amount"),
        ("amount", json!(1_000_000_000_000_000_i64), "invalid_amount"),
        ("amount", Value::Null, "invalid_amount"),
        ("amount", json!([1]), "invalid_amount"),
        ("description", json!("d".repeat(256)), "invalid_value"),
        ("description", json!("one\r\ntwo"), "invalid_value"),
        ("description", json!("nul\u{0}"), "invalid_value"),
        ("description", json!(7), "invalid_value"),
        ("auto_complete", json!("yes"), "invalid_value"),
        ("auto_complete", json!(1), "invalid_value"),
        ("status", json!("completed"), "unknown_field"),
    ] {
        let mut body = payment(10_000);
        body[field] = value;
        let named = if code == "self_transfer" { "receiver_id" } else { field };
        assert_names_field(service.create(body).await, code, named);
    }
    for (field, code) in [("sender_id", "missing_field"), ("amount", "invalid_amount")] {
        let mut body = payment(10_000);
        body.as_object_mut().expect("an object").remove(field);
        assert_names_field(service.create(body).await, code, field);
    }
    let twice = r#"{"sender_id":1,"receiver_id":2,"amount":1,"amount":2}"#;
    assert_names_field(service.service.post_text("/transactions", twice).await, "duplicate_field", "amount");
    let huge = r#"{"sender_id":1,"receiver_id":2,"amount":1e400}"#;
    assert_names_field(service.service.post_text("/transactions", huge).await, "invalid_amount", "amount");
    let _ = service.service.post_text("/transactions", "{").await.expect_error(400, "malformed_json");

    assert_eq!(service.anyone.get("/transactions").await.expect(200).json, json!([]));
    assert_eq!(service.users.verbs(), Vec::<String>::new());
}

#[tokio::test]
async fn a_description_is_optional_trimmed_and_up_to_255_characters() {
    let service = Service::start().await;
    let mut body = payment(1);
    body.as_object_mut().expect("an object").remove("description");
    assert_eq!(service.create(body.clone()).await.expect(201)["description"], "");
    for (given, kept) in [
        ("  lunch ".to_owned(), "lunch".to_owned()),
        ("\u{1f980}".repeat(255), "\u{1f980}".repeat(255)),
        ("100% \\ ' \" <b> \u{e9}".to_owned(), "100% \\ ' \" <b> \u{e9}".to_owned()),
    ] {
        body["description"] = json!(given);
        let id = service.create(body.clone()).await.expect(201).id();
        assert_eq!(service.show(id).await.expect(200)["description"], json!(kept));
    }
}

#[tokio::test]
async fn amounts_are_exact_from_the_request_to_user_service_and_back() {
    let service = Service::start().await;
    for (amount, exact) in [
        ("0.01", "0.01"),
        (r#""50000.50""#, "50000.5"),
        ("1e5", "100000"),
        ("999999999999999", "999999999999999"),
        ("9999999999999.99", "9999999999999.99"),
    ] {
        let body = format!(r#"{{"sender_id":1,"receiver_id":2,"amount":{amount}}}"#);
        let created = service.service.post_text("/transactions", &body).await.expect(201);
        let member = format!(r#""amount":{exact}"#);
        let asked = service.users.calls().pop().expect("a call").body;
        let shown = service.show(created.id()).await.expect(200).text;
        let listed = service.anyone.get("/transactions?limit=1").await.expect(200).text;
        for text in [&created.text, &asked, &shown, &listed] {
            assert!(text.contains(&format!("{member},")) || text.contains(&format!("{member}}}")), "{amount}: {text}");
        }
    }
}

#[tokio::test]
async fn a_refusal_is_answered_with_its_reason_and_kept_as_a_failed_transaction() {
    let service = Service::start().await;
    for (verb, body) in [("hold", payment(10_000)), ("transfer", immediate(10_000))] {
        for (refusal, status, code, field) in [
            ("insufficient_balance", 400, "insufficient_balance", None),
            ("user_not_found", 404, "user_not_found", Some("sender_id")),
            ("receiver_not_found", 404, "user_not_found", Some("receiver_id")),
            ("receiver_unavailable", 409, "receiver_unavailable", None),
            ("not_held", 409, "not_held", None),
            ("reference_reused", 409, "not_held", None),
        ] {
            service.users.on(verb, Reaction::Refuses(refusal));
            let refused = service.create(body.clone()).await.expect_error(status, code);
            let named = refused["fields"].as_object().and_then(|fields| fields.keys().next().cloned());
            assert_eq!(named.as_deref(), field, "{}", refused.text);
            let id = refused["transaction_id"].as_i64().expect("the failed transaction's id");
            let kept = service.show(id).await.expect(200);
            assert_documented(&kept, &json!({"status": "failed", "failure_code": refusal, "amount": 10_000}));
            assert_eq!(ids(&service.anyone.get("/transactions?status=failed&limit=1").await.expect(200)), [id]);
        }
    }
    let insufficient = {
        service.users.on("hold", Reaction::Refuses("insufficient_balance"));
        service.create(payment(1)).await.expect_error(400, "insufficient_balance")
    };
    assert_eq!(insufficient["error"], "Insufficient balance");
}
