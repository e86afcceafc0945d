//! Summaries: how often and how much a user has paid and been paid.

use serde_json::{Value, json};

use crate::support::{
    service::Service,
    sources::{ANI, BUDI, CITRA, NOBODY, Transaction},
};

#[tokio::test]
async fn a_user_without_transactions_has_zeros() {
    let service = Service::start().await;
    let summary = service.summary(CITRA).await.expect(200);
    let zeros = json!({
        "user_id": CITRA, "total_transactions": 0, "total_spent": 0, "total_received": 0, "last_transaction": null,
    });
    assert_eq!(summary.json, zeros);
    assert!(summary.header("x-data-as-of").ends_with('Z'));
    let _ = service.summary(NOBODY).await.expect_error(404, "user_not_found");
    let _ = service.api.get("/summaries/user/0").await.expect_error(400, "invalid_value");
}

#[tokio::test]
async fn every_transaction_counts_and_completed_ones_add_up() {
    let service = Service::start().await;
    service.sources.store([
        Transaction::new(1, "completed").of(2_500_000),
        Transaction::new(2, "completed").of(50).between(BUDI, ANI),
        Transaction::new(3, "pending").of(700),
        Transaction::new(4, "processing").of(700),
        Transaction::new(5, "failed").of(700),
        Transaction::new(6, "cancelled").of(700),
        Transaction::new(7, "completed").of(900).between(BUDI, CITRA),
        Transaction { hidden: true, ..Transaction::new(8, "cancelled") },
    ]);
    let text = service.summary(ANI).await.expect(200).text;
    let expected = r#"{"user_id":1,"total_transactions":7,"total_spent":25000,"total_received":0.5,"last_transaction":"2025-11-01T20:26:40Z"}"#;
    assert_eq!(text, expected);
    service.assert_agrees_with_sources(&[ANI, BUDI, CITRA]).await;
}

#[tokio::test]
async fn totals_follow_each_change_of_status() {
    let service = Service::start().await;
    let mut payment = Transaction::new(1, "processing").of(12_345);
    for status in ["pending", "completed"] {
        service.sources.store([payment.clone()]);
        service.assert_agrees_with_sources(&[ANI, BUDI]).await;
        payment = payment.then(status);
    }
    service.sources.store([payment]);
    let totals = service.totals(BUDI).await;
    assert_eq!((totals.transactions, totals.received.to_string()), (1, "123.45".into()));
    service.assert_agrees_with_sources(&[ANI, BUDI]).await;
}

#[tokio::test]
async fn decimals_are_exact() {
    let service = Service::start().await;
    service.sources.store([Transaction::new(1, "completed").of(10), Transaction::new(2, "completed").of(20)]);
    let text = service.summary(ANI).await.expect(200).text;
    assert!(text.contains(r#""total_spent":0.3,"#), "0.1 + 0.2: {text}");
    let text = service.summary(BUDI).await.expect(200).text;
    assert!(text.contains(r#""total_received":0.3,"#), "0.1 + 0.2: {text}");
}

#[tokio::test]
async fn totals_beyond_the_precision_of_a_double_are_exact() {
    let service = Service::start().await;
    // The largest amount that the wallet takes, with and without decimals.
    let amounts = (1..=20).map(|id| Transaction::new(id, "completed").of(99_999_999_999_999_900));
    service.sources.store(amounts.chain([Transaction::new(21, "completed").of(999_999_999_999_999)]));
    let text = service.summary(ANI).await.expect(200).text;
    assert!(text.contains(r#""total_spent":20009999999999979.99,"#), "{text}");
    let text = service.summary(BUDI).await.expect(200).text;
    assert!(text.contains(r#""total_received":20009999999999979.99,"#), "{text}");
}

#[tokio::test]
async fn the_last_transaction_is_the_one_created_last() {
    let service = Service::start().await;
    let (first, last) = (Transaction::new(1, "pending"), Transaction::new(5, "pending"));
    service.sources.store([last.clone()]);
    assert_eq!(service.totals(ANI).await.last, Some(last.created_at));
    let settled_later = first.changed_at(last.changed_at + chrono::TimeDelta::hours(9)).then("completed");
    service.sources.store([settled_later]);
    let totals = service.totals(ANI).await;
    assert_eq!((totals.transactions, totals.last), (2, Some(last.created_at)));
}

#[tokio::test]
async fn what_never_held_money_counts_for_the_sender_alone_and_is_reported_to_it_alone() {
    let service = Service::start().await;
    let no_sender = Transaction { counts_for: [false, false], ..Transaction::refused(3) };
    service.sources.store([Transaction::new(1, "completed"), Transaction::refused(2), no_sender]);
    service.assert_agrees_with_sources(&[ANI, BUDI]).await;
    let (ani, budi) = (service.totals(ANI).await, service.totals(BUDI).await);
    assert_eq!((ani.transactions, budi.transactions), (2, 1));
    assert_eq!(budi.last, Some(Transaction::new(1, "completed").created_at));

    let _ = service.report(ANI, 2).await.expect(201);
    let stranger = service.report(CITRA, 2).await.expect_error(400, "not_a_party");
    let receiver = service.report(BUDI, 2).await.expect_error(400, "not_a_party");
    assert_eq!(receiver["fields"], stranger["fields"]);
    let _ = service.report(ANI, 3).await.expect_error(400, "not_a_party");
}

#[tokio::test]
async fn what_a_party_has_deleted_goes_on_counting_and_is_reported_to_the_other_alone() {
    let service = Service::start().await;
    let deleted = Transaction { hidden_from: [true, false], ..Transaction::new(1, "completed") };
    service.sources.store([deleted]);
    service.assert_agrees_with_sources(&[ANI, BUDI]).await;
    let _ = service.report(ANI, 1).await.expect_error(404, "transaction_not_found");
    let _ = service.report(BUDI, 1).await.expect(201);
}

#[tokio::test]
async fn a_sender_who_turns_out_not_to_exist_has_no_totals() {
    let service = Service::start().await;
    let processing = Transaction { counts_for: [true, false], ..Transaction::new(2, "processing") };
    service.sources.store([Transaction::new(1, "completed"), processing.clone()]);
    assert_eq!(service.totals(ANI).await.transactions, 2);
    service.sources.store([Transaction { counts_for: [false, false], ..processing.then("failed") }]);
    service.assert_agrees_with_sources(&[ANI, BUDI]).await;
    assert_eq!(service.totals(ANI).await.last, Some(Transaction::new(1, "completed").created_at));
}

#[tokio::test]
async fn what_the_version_before_counted_for_both_is_corrected_by_reading_the_feed_again() {
    let service = Service::start().await;
    let (paid, refused) = (Transaction::new(1, "completed"), Transaction::refused(2));
    // as that version told and counted it
    service.sources.store([paid.clone(), Transaction { counts_for: [true, true], ..refused.clone() }]);
    let _ = service.sync().await.expect(200);
    let _ = service.report(BUDI, 2).await.expect(201);
    assert_eq!(service.totals(BUDI).await.transactions, 2);
    service.sources.store([refused]);
    let _ = service.sync().await.expect(200);
    service.assert_agrees_with_sources(&[ANI, BUDI]).await;
    let totals = service.totals(BUDI).await;
    assert_eq!((totals.transactions, totals.last), (1, Some(paid.created_at)));
    assert_eq!(service.reports(BUDI).await.expect(200)["total"], 0);
}

#[tokio::test]
async fn a_period_is_added_up_from_its_entries_and_divided_as_asked() {
    let service = Service::start().await;
    {
        let ledger = &mut service.sources.known().ledger;
        ledger.post(ANI, ("topup", 1_000), json!({}));
        ledger.pay(10, ANI, BUDI, 200);
        ledger.post(ANI, ("hold", -50), json!({"counterparty_id": BUDI, "transaction_id": 11}));
        ledger.post(ANI, ("release", 50), json!({"counterparty_id": BUDI, "transaction_id": 11}));
        ledger.post(ANI, ("refund", 30), json!({"counterparty_id": BUDI, "transaction_id": 12}));
    }
    let path = |query: &str| format!("/summaries/user/{ANI}?{query}");
    let get = async |query: &str| service.api.get(&path(query)).await;
    let summary = get("from=2025-01-01&to=2034-12-31&timezone=UTC").await.expect(200);
    assert!(!summary.header("x-data-as-of").is_empty());
    assert_eq!((&summary["total_transactions"], &summary["total_spent"]), (&json!(3), &json!(170)));
    assert_eq!((&summary["total_received"], &summary["groups"]), (&json!(0), &Value::Null));
    assert!(summary["last_transaction"].is_string());
    let kinds = get("group_by=kind").await.expect(200);
    assert_eq!(
        kinds["groups"],
        json!([
            {"key": "topup", "total_in": 1_000, "total_out": 0, "count": 1},
            {"key": "transfer", "total_in": 0, "total_out": 200, "count": 1},
            {"key": "hold", "total_in": 0, "total_out": 50, "count": 1},
            {"key": "release", "total_in": 50, "total_out": 0, "count": 1},
            {"key": "refund", "total_in": 30, "total_out": 0, "count": 1},
        ])
    );
    let parties = get("group_by=counterparty").await.expect(200);
    let budi = json!({"id": BUDI, "display_name": "User 2"});
    assert_eq!(
        parties["groups"],
        json!([
            {"key": null, "total_in": 1_000, "total_out": 0, "count": 1},
            {"key": budi, "total_in": 80, "total_out": 250, "count": 4},
        ])
    );
    for (by, length) in [("day", 10), ("week", 10), ("month", 7)] {
        let groups = get(&format!("group_by={by}&timezone=UTC")).await.expect(200).json["groups"].clone();
        assert_eq!(groups[0]["key"].as_str().map(str::len), Some(length), "{groups}");
        assert_eq!((&groups[0]["count"], &groups[1]), (&json!(5), &Value::Null));
    }
    assert_eq!(get("from=2025-01-01&to=2025-01-31&group_by=day").await.expect(200)["groups"], json!([]));
}

#[tokio::test]
async fn a_period_that_is_none_is_refused() {
    let service = Service::start().await;
    for (query, field) in [
        ("from=2026-11-01", "to"),
        ("to=2026-11-01", "from"),
        ("from=2026-11-02&to=2026-11-01", "to"),
        ("from=2016-11-01&to=2026-11-01", "to"),
        ("group_by=year", "group_by"),
        ("group_by=day&timezone=Mars/Olympus", "timezone"),
    ] {
        let refused =
            service.api.get(&format!("/summaries/user/{ANI}?{query}")).await.expect_error(400, "invalid_value");
        assert!(refused["fields"][field].is_string(), "{query}: {}", refused.text);
    }
    let _ =
        service.api.get(&format!("/summaries/user/{NOBODY}?group_by=day")).await.expect_error(404, "user_not_found");
}
