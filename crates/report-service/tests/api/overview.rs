//! The overview: what was created on each day, what became of it, and what all accounts have.

use chrono::{DateTime, TimeDelta, Utc};
use lab::http::Reply;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{
    service::Service,
    sources::{ANI, BUDI, CITRA, Cents, Sources, Transaction, payments, the_first_hour},
};

/// The day of [`the_first_hour`] in Jakarta, and the one after it.
const DAYS: [&str; 2] = ["2025-11-01", "2025-11-02"];

async fn overview(service: &Service) -> Reply {
    service.api.get(&format!("/overview?from={}&to={}", DAYS[0], DAYS[1])).await.expect(200)
}

fn settled(transaction: Transaction, status: &'static str, after: TimeDelta) -> Transaction {
    let settled_at = Some(transaction.created_at + after);
    Transaction { settled_at, ..transaction.then(status) }
}

#[tokio::test]
async fn a_day_counts_what_was_created_on_it_and_what_became_of_it() {
    let service = Service::start().await;
    service.sources.set_money(Cents(15_000_050));
    let at = |id, time: &str| {
        let time: DateTime<Utc> = time.parse().unwrap();
        Transaction { created_at: time, changed_at: time, ..Transaction::new(id, "pending") }
    };
    let (evening, midnight) = (at(1, "2025-11-01T16:59:59.999999Z"), at(2, "2025-11-01T17:00:00Z"));
    service.sources.store([evening.clone(), midnight.clone()]);
    let shown = overview(&service).await;
    assert_eq!(shown["counts"], json!({"pending": 2}));
    assert_eq!(
        (shown["volume"].clone(), shown["settle_seconds"].clone()),
        (json!(0), json!({"mean": null, "p99": null}))
    );
    assert_eq!((shown["users"].clone(), shown["money"].clone()), (json!(3), json!(150_000.5)));

    let paid = settled(evening, "completed", TimeDelta::milliseconds(1_500));
    let hidden = Transaction { hidden: true, ..settled(midnight, "failed", TimeDelta::milliseconds(500)) };
    let refund = Transaction::new(3, "completed").between(BUDI, ANI).of(2_500).changed_at(hidden.changed_at);
    let refund = Transaction { refund_of: Some(1), ..refund };
    let refunded = Transaction { refunded: Cents(2_500), ..paid.then("completed") };
    service.sources.store([
        refunded,
        hidden,
        Transaction { created_at: "2025-11-02T01:00:00Z".parse().unwrap(), ..refund },
    ]);
    let shown = overview(&service).await;
    assert_eq!(shown["counts"], json!({"completed": 2, "failed": 1}));
    assert_eq!(
        shown["days"],
        json!([
            {"day": DAYS[0], "volume": 75, "counts": {"completed": 1}},
            {"day": DAYS[1], "volume": 0, "counts": {"completed": 1, "failed": 1}},
        ])
    );
    assert_eq!((shown["volume"].clone(), shown["settle_seconds"]["mean"].clone()), (json!(75), json!(1.0)));
    let p99 = shown["settle_seconds"]["p99"].as_f64().unwrap();
    assert!((1.5..=1.5 * 1.125).contains(&p99), "{p99}");
    assert!(shown.header("x-data-as-of").ends_with('Z'));
    let none = service.api.get("/overview?from=2025-11-03&to=2025-11-03").await.expect(200);
    assert_eq!((none["days"].clone(), none["counts"].clone()), (json!([]), json!({})));
}

#[tokio::test]
async fn however_often_and_by_whatever_way_a_change_comes_it_counts_once() {
    let service = Service::start().await;
    service.sources.store(payments(1_200));
    let _ = service.sync().await.expect(200);
    let counts = overview(&service).await["counts"].clone();
    assert_eq!(counts, json!({"completed": 600, "pending": 300, "failed": 300}));
    // a request of a user takes over first what a run counts later
    let changed: Vec<Transaction> =
        payments(1_200).filter(|row| row.status == "pending").map(|row| row.then("cancelled")).collect();
    service.sources.store(changed);
    for user in [ANI, BUDI, CITRA] {
        let _ = service.summary(user).await.expect(200);
    }
    for _ in 0..2 {
        let _ = service.sync().await.expect(200);
        assert_eq!(overview(&service).await["counts"], json!({"completed": 600, "cancelled": 300, "failed": 300}));
    }
    let mut requests = JoinSet::new();
    for _ in 0..8 {
        let api = service.api.clone();
        requests.spawn(async move { api.get("/overview?from=2025-11-01&to=2025-11-02").await });
    }
    for reply in requests.join_all().await {
        assert_eq!(reply.expect(200)["counts"], json!({"completed": 600, "cancelled": 300, "failed": 300}));
    }
}

#[tokio::test]
async fn what_all_users_spent_together_is_the_volume_of_all_days() {
    let service = Service::start().await;
    service.sources.store(payments(700));
    let shown = overview(&service).await;
    let mut spent = 0;
    for user in [ANI, BUDI, CITRA] {
        spent += service.totals(user).await.spent.0;
    }
    assert_eq!(
        shown["volume"].as_f64().map(|volume| format!("{volume:.2}")),
        Some(format!("{}.{:02}", spent / 100, spent % 100))
    );
}

#[tokio::test]
async fn without_its_sources_the_overview_says_what_it_was() {
    for set_down in [Sources::set_users_down, Sources::set_transactions_down] {
        let service = Service::start().await;
        set_down(&service.sources, true);
        let _ = service.api.get("/overview").await.expect_error(503, "service_unavailable");
    }
    let service = Service::start().await;
    service.sources.store([Transaction::new(1, "completed")]);
    let shown = overview(&service).await;
    service.sources.store([Transaction::new(2, "completed")]);
    service.sources.set_money(Cents(1));
    service.sources.set_transactions_down(true);
    service.sources.set_users_down(true);
    let old = overview(&service).await;
    assert_eq!((old.json.clone(), old.header("x-data-as-of")), (shown.json.clone(), shown.header("x-data-as-of")));
}

#[tokio::test]
async fn days_are_those_of_the_time_zone_and_another_one_counts_anew() {
    let service = Service::start().await;
    service.sources.store([Transaction::new(1, "completed")]);
    assert_eq!(overview(&service).await["days"][0]["day"], "2025-11-01");
    let moved = service.in_time_zone("Pacific/Kiritimati").await;
    let shown = moved.get("/overview?from=2025-10-31&to=2025-11-03").await.expect(200);
    let days: Vec<&Value> = shown["days"].as_array().unwrap().iter().map(|day| &day["day"]).collect();
    let there = the_first_hour() + TimeDelta::hours(1 + 14);
    assert_eq!(days, [&json!(there.date_naive().to_string())]);
    assert_eq!(shown["counts"], json!({"completed": 1}));
}

#[tokio::test]
async fn a_period_that_is_none_is_refused() {
    let service = Service::start().await;
    for (query, field) in [
        ("from=2025-11-02&to=2025-11-01", "from"),
        ("from=2015-11-01&to=2025-11-01", "to"),
        ("from=2025-11-31", "from"),
        ("to=2025-11-01T00:00:00Z", "to"),
        ("day=2025-11-01", "day"),
    ] {
        let refused = service.api.get(&format!("/overview?{query}")).await.expect(400);
        assert!(refused["fields"][field].is_string(), "{query}: {}", refused.text);
    }
}
