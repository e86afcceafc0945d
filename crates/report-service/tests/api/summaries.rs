//! Summaries: how often and how much a user has paid and been paid.

use serde_json::json;

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
    assert_eq!(summary.header("x-data-as-of"), "");
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
