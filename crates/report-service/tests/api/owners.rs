//! An account that got a number which somebody else had before sees nothing of that one.

use chrono::{DateTime, TimeDelta, Utc};
use lab::http::Api;
use money::time;
use serde_json::{Value, json};

use crate::support::{
    service::{Service, totals},
    sources::{ANI, BUDI, Cents, Totals, Transaction, text},
};

/// A service whose copy has a payment of 700 by whoever had the number of Ani before, who was left with 300, and a top-up of 50 and a
/// payment of 20 by Ani herself, whose account was opened at the moment that is returned.
async fn with_two_owners() -> (Service, DateTime<Utc>) {
    let service = Service::start().await;
    let opened = time::now() - TimeDelta::days(2);
    let (before, after) = (opened - TimeDelta::days(3), opened + TimeDelta::days(1));
    let transaction = |id, at| Transaction { created_at: at, changed_at: at, ..Transaction::new(id, "completed") };
    service.sources.store([transaction(10, before).of(70_000), transaction(11, after).of(2_000)]);
    let paid = |id: i64, at| json!({"counterparty_id": BUDI, "transaction_id": id, "created_at": text(at)});
    {
        let ledger = &mut service.sources.known().ledger;
        ledger.post(ANI, ("topup", 1_000), json!({"created_at": text(before)}));
        ledger.post(ANI, ("transfer", -700), paid(10, before));
    }
    let _ = service.sync().await.expect(200);
    let _ = service.report(ANI, 10).await.expect(201);
    service.sql("UPDATE reports SET created_at = created_at - INTERVAL 5 DAY").await;
    let _ = service.report(ANI, 11).await.expect(201);
    {
        let ledger = &mut service.sources.known().ledger;
        ledger.post(ANI, ("debit", -300), json!({"created_at": text(before)}));
        ledger.post(ANI, ("topup", 50), json!({"created_at": text(after)}));
        ledger.post(ANI, ("transfer", -20), paid(11, after));
    }
    let _ = service.entries(ANI, "").await.expect(200);
    // the last entry of the number before was never taken over, as after a backup was restored
    service.sql("DELETE FROM entries WHERE kind = 'debit'").await;
    service.sources.known().opened.insert(ANI, opened);
    (service, opened)
}

async fn get(api: &Api, path: &str) -> Value {
    api.get(path).await.expect(200).json
}

#[tokio::test]
async fn a_new_account_sees_nothing_from_before_it_was_opened() {
    let (service, opened) = with_two_owners().await;
    let ani = service.as_user(ANI);
    let ago = |days| text(time::now() - TimeDelta::days(days));

    let entries = get(&ani, &format!("/entries/user/{ANI}")).await;
    let amounts: Vec<&Value> = entries.as_array().unwrap().iter().map(|entry| &entry["amount"]).collect();
    assert_eq!(amounts, [-20, 50]);
    assert_eq!(get(&ani, &format!("/entries/user/{ANI}?limit=2")).await.as_array().unwrap().len(), 2);

    for (at, balance) in [(ago(4), 0), (text(opened), 0), (ago(0), 30)] {
        assert_eq!(get(&ani, &format!("/balances/user/{ANI}?at={at}")).await["balance"], balance, "{at}");
    }
    for (from, to, opening, closing) in [(ago(9), ago(0), 0, 30), (ago(9), ago(3), 0, 0), (ago(3), ago(0), 0, 30)] {
        let statement = get(&ani, &format!("/statements/user/{ANI}?from={from}&to={to}")).await;
        let (begin, end) = (&statement["opening_balance"], &statement["closing_balance"]);
        assert_eq!((begin, end), (&json!(opening), &json!(closing)), "{from} {to}");
        let moved = &statement["total_in"];
        assert_eq!(*moved, if closing == 0 { 0 } else { 50 }, "{from} {to}");
    }
    let balance = ani.get(&format!("/charts/user/{ANI}/balance.svg?from={}&to={}", ago(4), ago(0))).await.expect(200);
    assert!(balance.text.contains("The balance goes from Rp 0.00 to Rp 30.00."), "{}", balance.text);
    let flow = ani.get(&format!("/charts/user/{ANI}/flow.svg")).await.expect(200);
    assert!(flow.text.contains("in Rp 50.00, out Rp 20.00"), "{}", flow.text);

    let last = Some(service.sources.transactions()[1].created_at);
    let own = Totals { transactions: 1, spent: Cents(2_000), received: Cents(0), last };
    assert_eq!(totals(&ani.get(&format!("/summaries/user/{ANI}")).await.expect(200)), own);
    assert_eq!(get(&ani, &format!("/summaries/user/{ANI}?group_by=kind")).await["total_spent"], 20);
    let reports = get(&ani, &format!("/reports/user/{ANI}")).await;
    assert_eq!((&reports["total"], &reports["reports"][0]["transaction_id"]), (&json!(1), &json!(11)));
    assert_eq!(reports["reports"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_service_sees_all_that_a_number_ever_had() {
    let (service, _) = with_two_owners().await;
    let api = service.api.as_service();
    assert_eq!(get(&api, &format!("/entries/user/{ANI}")).await.as_array().unwrap().len(), 4);
    let at = text(time::now() - TimeDelta::days(4));
    assert_eq!(get(&api, &format!("/balances/user/{ANI}?at={at}")).await["balance"], 300);
    assert_eq!(get(&api, &format!("/summaries/user/{ANI}")).await["total_spent"], 720);
    assert_eq!(get(&api, &format!("/reports/user/{ANI}")).await["total"], 2);
}
