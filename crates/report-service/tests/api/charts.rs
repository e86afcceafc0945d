//! Charts.

use serde_json::json;

use crate::support::{
    service::Service,
    sources::{ANI, BUDI, Transaction},
};

#[tokio::test]
async fn charts_show_the_balance_and_what_came_in_and_went_out_for_good() {
    let service = Service::start().await;
    service.sources.store([Transaction::new(10, "completed"), Transaction::new(11, "pending")]);
    let _ = service.sync().await.expect(200);
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
