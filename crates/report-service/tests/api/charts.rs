//! Charts.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, TimeDelta, Utc};
use money::time;
use serde_json::json;

use crate::support::{
    service::Service,
    sources::{ANI, BUDI, Transaction, text},
};

#[tokio::test]
async fn charts_show_the_balance_and_what_came_in_and_went_out_for_good() {
    let service = Service::start().await;
    service.sources.store([Transaction::new(10, "completed"), Transaction::new(11, "pending")]);
    {
        let ledger = &mut service.sources.known().ledger;
        ledger.post(ANI, ("topup", 500_000), json!({}));
        ledger.pay(10, ANI, BUDI, 200_000);
        // what is held may come back, and this has come back
        ledger.post(ANI, ("hold", -50_000), json!({"counterparty_id": BUDI, "transaction_id": 11}));
        ledger.post(ANI, ("hold", -20_000), json!({"counterparty_id": BUDI, "transaction_id": 12}));
        ledger.post(ANI, ("release", 20_000), json!({"counterparty_id": BUDI, "transaction_id": 12}));
    }
    let balance = service.api.get(&format!("/charts/user/{ANI}/balance.svg")).await.expect(200);
    assert_eq!(balance.header("content-type"), "image/svg+xml");
    assert!(balance.header("content-security-policy").contains("style-src 'unsafe-inline'"));
    assert!(balance.header("x-data-as-of").ends_with('Z'));
    assert!(balance.text.contains("The balance goes from Rp 0.00 to Rp 250,000.00."), "{}", balance.text);
    let flow = service.api.get(&format!("/charts/user/{ANI}/flow.svg?lang=id&theme=dark")).await.expect(200);
    assert!(flow.text.contains("masuk Rp 500.000,00, keluar Rp 200.000,00</desc>"), "{}", flow.text);
    let far = format!("/charts/user/{ANI}/balance.svg?from=9999-12-01&to=9999-12-31");
    let far = service.api.get(&far).await.expect(200);
    assert!(far.text.contains("The balance goes from Rp 250,000.00 to Rp 250,000.00."), "{}", far.text);
    let empty = format!("/charts/user/{ANI}/balance.svg?from=2020-01-01&to=2020-12-31&timezone=UTC");
    let empty = service.api.get(&empty).await.expect(200);
    assert!(empty.text.contains("Balance, 1 Jan 2020 – 31 Dec 2020"), "{}", empty.text);
}

#[tokio::test]
async fn what_is_no_chart_is_refused_by_name() {
    let service = Service::start().await;
    for (query, field) in [
        ("balance.svg?from=2026-11-01", "to"),
        ("balance.svg?to=2026-11-01", "from"),
        ("balance.svg?from=2026-11-02&to=2026-11-01", "to"),
        ("balance.svg?from=9999-12-01&to=9999-12-31&timezone=America/New_York", "to"),
        ("balance.svg?theme=sepia", "theme"),
        ("flow.svg?from=2026-11-01", "from"),
        ("flow.svg?lang=de", "lang"),
        ("flow.svg?timezone=Mars", "timezone"),
    ] {
        let refused = service.api.get(&format!("/charts/user/{ANI}/{query}")).await.expect(400);
        assert!(refused["fields"][field].is_string(), "{query}: {}", refused.text);
    }
    let _ = service.api.get("/charts/user/999/flow.svg").await.expect_error(404, "user_not_found");
}

/// What came in and went out by the chart of Ani, in words, and of when that is.
async fn flow(service: &Service) -> (String, DateTime<Utc>) {
    let flow = service.api.get(&format!("/charts/user/{ANI}/flow.svg?timezone=UTC")).await.expect(200);
    let words = flow.text.split("<desc").nth(1).and_then(|rest| rest.split("</desc>").next()).unwrap();
    (words.to_owned(), flow.header("x-data-as-of").parse().unwrap())
}

#[tokio::test]
async fn what_comes_in_and_goes_out_follows_each_transaction_without_a_run() {
    let service = Service::start().await;
    let pending = Transaction::new(11, "pending");
    service.sources.store([pending.clone()]);
    service.sources.known().ledger.post(ANI, ("hold", -50_000), json!({"counterparty_id": BUDI, "transaction_id": 11}));
    let nothing = async |why: &str| {
        let (words, at) = flow(&service).await;
        assert!(words.contains("in Rp 0.00, out Rp 0.00"), "{why}: {words}");
        at
    };
    service.sources.set_transactions_down(true);
    let _ = service.api.get(&format!("/charts/user/{ANI}/flow.svg")).await.expect(503);
    service.sources.set_transactions_down(false);
    nothing("it may come back").await;
    let _ = service.sync().await.expect(200);
    let run = time::now();
    nothing("it may still come back").await;
    service.sources.store([pending.then("completed")]);
    service.sources.set_transactions_down(true);
    assert!(nothing("nobody tells").await <= run, "and the answer says so");
    service.sources.set_transactions_down(false);
    let (words, at) = flow(&service).await;
    assert!(words.contains("in Rp 0.00, out Rp 50,000.00") && at > run, "{at}: {words}");
    service.sources.set_transactions_down(true);
    let (words, at) = flow(&service).await;
    assert!(words.contains("in Rp 0.00, out Rp 50,000.00") && at > run, "what is settled stays so: {at}: {words}");
}

#[tokio::test]
async fn what_was_settled_after_the_entries_were_taken_over_was_open_then() {
    let service = Service::start().await;
    let pending = Transaction::new(11, "pending");
    service.sources.store([pending.clone()]);
    let hold = json!({"counterparty_id": BUDI, "transaction_id": 11});
    service.sources.known().ledger.post(ANI, ("hold", -50_000), hold.clone());
    let _ = flow(&service).await;
    service.sources.set_users_down(true);
    service.sources.known().ledger.post(ANI, ("release", 50_000), hold);
    let cancelled = pending.then("cancelled").changed_at(time::now() + TimeDelta::seconds(1));
    service.sources.store([cancelled]);
    for time in ["first", "second"] {
        let (words, _) = flow(&service).await;
        assert!(words.contains("in Rp 0.00, out Rp 0.00"), "it came back, for the {time} time: {words}");
    }
}

#[tokio::test]
async fn a_transaction_that_began_before_the_first_month_is_not_cut_in_two() {
    let service = Service::start().await;
    let today: NaiveDate = time::now().date_naive();
    let first = today.with_day(1).unwrap() - Months::new(11);
    let at = |day: NaiveDate| text(day.and_hms_opt(12, 0, 0).unwrap().and_utc());
    let (before, after) = (first - Days::new(1), first + Days::new(2));
    let created_at = before.and_hms_opt(11, 0, 0).unwrap().and_utc();
    let transaction = |id| Transaction { created_at, changed_at: created_at, ..Transaction::new(id, "cancelled") };
    service.sources.store([11, 12].map(transaction));
    {
        let ledger = &mut service.sources.known().ledger;
        let of = |id: i64, day| json!({"counterparty_id": BUDI, "transaction_id": id, "created_at": at(day)});
        ledger.post(ANI, ("topup", 500_000), json!({"created_at": at(before)}));
        ledger.post(ANI, ("hold", -100_000), of(11, before));
        ledger.post(ANI, ("release", 100_000), of(11, after));
        // one that was created before, and moves money only later
        ledger.post(ANI, ("transfer", -7_000), of(12, after));
    }
    for time in ["without a copy", "with one"] {
        let (words, _) = flow(&service).await;
        assert!(words.contains("in Rp 0.00, out Rp 7,000.00"), "{time}: {words}");
        let _ = service.sync().await.expect(200);
    }
}
