//! Money that comes in and goes out.

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{Balance, Service, assert_documented, assert_names_field};

#[tokio::test]
async fn the_documented_requests_about_balances_get_the_documented_answers() {
    let service = Service::start().await;
    let user = service.user("john", 50_000).await;
    let balance = service.anyone.get(&user.path("/balance")).await.expect(200);
    assert_eq!(balance.json, json!({"user_id": user.id, "balance": 50_000, "held": 0}));
    assert_eq!(user.top_up(100_000).await.expect(200).json, json!({"id": user.id, "balance": 150_000}));
    assert_eq!(user.debit(50_000).await.expect(200).json, json!({"id": user.id, "balance": 100_000}));
    let internal = format!("/internal/users/{}/balance", user.id);
    let debited = service.service.put(&internal, json!({"action": "debit", "amount": 5000})).await.expect(200);
    assert_documented(&debited, &json!({"id": user.id, "balance": 95_000}));
    let credit = json!({"action": "credit", "amount": 5000, "reference": "Refund of order 17"});
    assert_documented(&service.service.put(&internal, credit).await.expect(200), &json!({"balance": 100_000}));
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn each_wrong_amount_is_named_on_every_route_and_moves_nothing() {
    let service = Service::start().await;
    let user = service.user("john", 1000).await;
    let internal = format!("/internal/users/{}/balance", user.id);
    let routes = [
        (Method::POST, user.path("/topup"), ""),
        (Method::POST, user.path("/debit"), ""),
        (Method::PUT, internal.clone(), r#""action":"credit","#),
        (Method::PUT, internal, r#""action":"debit","#),
    ];
    for (method, path, before) in routes {
        for amount in [
            "0",
            "0.00",
            "-0",
            "-1",
            "0.001",
            "1.005",
            "1e400",
            "1e-400",
            "1e15",
            "1000000000000000",
            "99999999999999.99",
            "null",
            "true",
            "[1]",
            "{}",
            r#""""#,
            r#""abc""#,
            r#""NaN""#,
            r#""Infinity""#,
            r#""-1""#,
            r#"" 1""#,
            r#""1,000""#,
            r#""0x10""#,
        ] {
            let body = format!(r#"{{{before}"amount":{amount}}}"#);
            let refused = service.service.send(method.clone(), &path, Some(body)).await;
            assert_names_field(refused, "invalid_amount", "amount");
        }
        let without = format!("{{{}}}", before.trim_end_matches(','));
        let refused = service.service.send(method.clone(), &path, Some(without)).await;
        assert_names_field(refused, "invalid_amount", "amount");
        for no_json in ["NaN", "Infinity", "+1", "01", "1.", ".5", "1_000"] {
            let body = format!(r#"{{{before}"amount":{no_json}}}"#);
            let _ = service.service.send(method.clone(), &path, Some(body)).await.expect_error(400, "malformed_json");
        }
    }
    assert_eq!(service.balance(&user).await, Balance::new(1000, 0));
}

#[tokio::test]
async fn the_other_fields_of_a_change_are_checked_too() {
    let service = Service::start().await;
    let user = service.user("john", 1000).await;
    let path = format!("/internal/users/{}/balance", user.id);
    for (body, code, field) in [
        (json!({"amount": 1}), "missing_field", "action"),
        (json!({"action": "mint", "amount": 1}), "invalid_value", "action"),
        (json!({"action": "credit", "amount": 1, "reference": ""}), "invalid_value", "reference"),
        (json!({"action": "credit", "amount": 1, "reference": "r".repeat(256)}), "invalid_value", "reference"),
        (json!({"action": "credit", "amount": 1, "reference": "a\u{0}b"}), "invalid_value", "reference"),
        (json!({"action": "credit", "amount": 1, "note": "x"}), "unknown_field", "note"),
    ] {
        assert_names_field(service.service.put(&path, body).await, code, field);
    }
    let more = json!({"amount": 1, "currency": "USD"});
    assert_names_field(user.api.post(&user.path("/topup"), more.clone()).await, "unknown_field", "currency");
    assert_names_field(user.api.post(&user.path("/debit"), more).await, "unknown_field", "currency");
    assert_eq!(service.balance(&user).await, Balance::new(1000, 0));
}

#[tokio::test]
async fn what_a_caller_writes_on_a_movement_is_kept_with_it() {
    let service = Service::start().await;
    let user = service.user("john", 1000).await;
    let metadata = json!({"order": "A-1042", "shop": "Toko \"Ani\""});
    let body = json!({"amount": 5, "reference": "BANK-7", "metadata": metadata});
    let _ = user.api.post(&user.path("/topup"), body.clone()).await.expect(200);
    let _ = user.api.post(&user.path("/debit"), body.clone()).await.expect(200);
    let change = json!({"action": "credit", "amount": 5, "reference": "CREDIT-1", "metadata": metadata});
    let path = format!("/internal/users/{}/balance", user.id);
    let _ = service.service.put(&path, change.clone()).await.expect(200);
    let again = service.service.put(&path, change).await.expect(200);
    assert_eq!(again.header("idempotent-replayed"), "true");
    let kept: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT kind, note, metadata FROM operations WHERE user_id = ? AND metadata IS NOT NULL ORDER BY id",
    )
    .bind(user.id)
    .fetch_all(&service.database.pool())
    .await
    .unwrap();
    let kept: Vec<(&str, &str, serde_json::Value)> =
        kept.iter().map(|(kind, note, text)| (&**kind, &**note, serde_json::from_str(text).expect("JSON"))).collect();
    let row = |kind, note| (kind, note, metadata.clone());
    assert_eq!(kept, [row("topup", "BANK-7"), row("debit", "BANK-7"), row("credit", "CREDIT-1")]);
    for (labels, field) in [
        (json!({"amount": 1, "reference": "r".repeat(101)}), "reference"),
        (json!({"amount": 1, "metadata": {"a b": "v"}}), "metadata"),
    ] {
        for route in ["/topup", "/debit"] {
            assert_names_field(user.api.post(&user.path(route), labels.clone()).await, "invalid_value", field);
        }
    }
}

#[tokio::test]
async fn an_action_that_is_no_word_is_named() {
    let service = Service::start().await;
    let user = service.user("john", 1000).await;
    let path = format!("/internal/users/{}/balance", user.id);
    for action in [json!(null), json!(1), json!(true), json!(["credit"]), json!({})] {
        let body = json!({"action": action, "amount": 1});
        assert_names_field(service.service.put(&path, body).await, "invalid_value", "action");
    }
    assert_eq!(service.balance(&user).await, Balance::new(1000, 0));
}

#[tokio::test]
async fn numbers_and_decimal_strings_are_read_to_the_last_digit() {
    let service = Service::start().await;
    let user = service.user("john", 0).await;
    for (amount, balance) in [
        ("0.01", "0.01"),
        (r#""50000.50""#, "50000.51"),
        ("1e5", "150000.51"),
        ("0.09", "150000.6"),
        (r#""100000""#, "250000.6"),
        ("0.40", "250001"),
    ] {
        let reply = user.api.post_text(&user.path("/topup"), &format!(r#"{{"amount":{amount}}}"#)).await.expect(200);
        assert!(reply.text.contains(&format!(r#""balance":{balance}}}"#)), "{amount}: {}", reply.text);
    }
}

#[tokio::test]
async fn balances_beyond_the_precision_of_floats_are_exact_in_every_answer() {
    const EXACT: &str = r#""balance":1999999999999998.01"#;
    let service = Service::start().await;
    let user = service.user("john", 0).await;
    let _ = user.top_up(999_999_999_999_999).await.expect(200);
    let _ = user.top_up(999_999_999_999_999).await.expect(200);
    let topped_up = user.api.keyed("last").post(&user.path("/topup"), json!({"amount": 0.01})).await.expect(200);
    assert!(topped_up.text.contains(EXACT), "{}", topped_up.text);
    let again = user.api.keyed("last").post(&user.path("/topup"), json!({"amount": 0.01})).await.expect(200);
    assert_eq!(again.text, topped_up.text);
    for path in [
        user.path(""),
        user.path("/balance"),
        "/users".to_owned(),
        "/internal/users".to_owned(),
        format!("/internal{}", user.path("")),
    ] {
        let text = service.service.get(&path).await.expect(200).text;
        assert!(text.contains(EXACT), "{path}: {text}");
    }
    let debited = user.api.post(&user.path("/debit"), json!({"amount": 0.02})).await.expect(200);
    assert!(debited.text.contains(r#""balance":1999999999999997.99"#), "{}", debited.text);
}

#[tokio::test]
async fn an_account_takes_top_ups_and_credits_up_to_its_limit() {
    let service = Service::start().await;
    let user = service.user("john", 0).await;
    user.fill().await;
    let over = user.api.post(&user.path("/topup"), json!({"amount": 0.01})).await;
    let _ = over.expect_error(400, "balance_limit");
    let path = format!("/internal/users/{}/balance", user.id);
    let over = service.service.put(&path, json!({"action": "credit", "amount": 0.01})).await;
    let _ = over.expect_error(400, "balance_limit");
    let shown = service.anyone.get(&user.path("/balance")).await.expect(200);
    assert!(shown.text.contains(r#""balance":99999999999999999.99"#), "{}", shown.text);
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn more_than_the_balance_is_refused_and_changes_nothing() {
    let service = Service::start().await;
    let user = service.user("john", 100).await;
    let refused = user.api.post(&user.path("/debit"), json!({"amount": 100.01})).await;
    let refused = refused.expect_error(400, "insufficient_balance");
    assert_eq!(refused["error"], "Insufficient balance");
    let path = format!("/internal/users/{}/balance", user.id);
    let refused = service.service.put(&path, json!({"action": "debit", "amount": 101})).await;
    let _ = refused.expect_error(400, "insufficient_balance");
    assert_eq!(service.balance(&user).await, Balance::new(100, 0));
    assert_eq!(user.debit(100).await.expect(200)["balance"], 0);
    service.assert_ledger_holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_parallel_debits_of_the_whole_balance_one_succeeds() {
    let service = Service::start().await;
    let user = service.user("john", 100).await;
    let mut debits = JoinSet::new();
    for _ in 0..50 {
        let (api, path) = (user.api.clone(), user.path("/debit"));
        debits.spawn(async move { api.post(&path, json!({"amount": 100})).await });
    }
    let (paid, refused): (Vec<_>, Vec<_>) = debits.join_all().await.into_iter().partition(|reply| reply.status == 200);
    assert_eq!((paid.len(), refused.len()), (1, 49));
    for reply in refused {
        let _ = reply.expect_error(400, "insufficient_balance");
    }
    assert_eq!(service.balance(&user).await, Balance::new(0, 0));
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn where_users_may_not_top_up_by_themselves_a_service_does() {
    let service = Service::start_with(|config| config.self_topup = false).await;
    let (user, other) = (service.user("john", 0).await, service.user("jane", 0).await);
    for body in [json!({"amount": 10}), json!({"amount": -1}), json!({})] {
        let refused = user.api.post(&user.path("/topup"), body).await;
        let _ = refused.expect_error(403, "topup_not_allowed");
    }
    let keyed = user.api.keyed("key").post(&user.path("/topup"), json!({"amount": 10})).await;
    let _ = keyed.expect_error(403, "topup_not_allowed");
    let _ = other.api.post(&user.path("/topup"), json!({"amount": 10})).await.expect_error(403, "forbidden");
    let _ = service.anyone.post(&user.path("/topup"), json!({"amount": 10})).await.expect_error(401, "missing_token");
    assert_eq!(service.balance(&user).await, Balance::new(0, 0));
    let topped_up = service.service.post(&user.path("/topup"), json!({"amount": 10})).await.expect(200);
    assert_eq!(topped_up["balance"], 10);
    assert_eq!(user.debit(4).await.expect(200)["balance"], 6, "spending needs no service");
}
