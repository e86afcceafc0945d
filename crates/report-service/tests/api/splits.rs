//! Transactions with several receivers: each one's summary and reports have its own share.

use serde_json::json;

use crate::support::{
    service::Service,
    sources::{ANI, BUDI, CITRA, Cents, Transaction},
};

/// From Ani, 90 to Budi and 10 to Citra, of which so much is paid.
fn split(status: &'static str, [budi, citra]: [i128; 2]) -> Transaction {
    let shares = vec![(BUDI, Cents(9_000), Cents(budi)), (CITRA, Cents(1_000), Cents(citra))];
    Transaction { shares, ..Transaction::new(1, status) }
}

/// How many, spent and received, for each of the three.
async fn totals(service: &Service) -> [(i64, String, String); 3] {
    let of = async |user| {
        let totals = service.totals(user).await;
        (totals.transactions, totals.spent.to_string(), totals.received.to_string())
    };
    [of(ANI).await, of(BUDI).await, of(CITRA).await]
}

fn told(of: [(i64, &str, &str); 3]) -> [(i64, String, String); 3] {
    of.map(|(number, spent, received)| (number, spent.to_owned(), received.to_owned()))
}

#[tokio::test]
async fn each_receiver_counts_its_own_share_and_a_refund_takes_it_out() {
    let service = Service::start().await;
    let mut split_then = split("pending", [0, 0]);
    service.sources.store([split_then.clone()]);
    assert_eq!(totals(&service).await, told([(1, "0", "0"), (1, "0", "0"), (1, "0", "0")]));
    for (status, paid, expected) in [
        ("pending", [4_500, 500], [(1, "50", "0"), (1, "0", "45"), (1, "0", "5")]),
        ("completed", [9_000, 1_000], [(1, "100", "0"), (1, "0", "90"), (1, "0", "10")]),
    ] {
        split_then = Transaction { shares: split(status, paid).shares, ..split_then.then(status) };
        service.sources.store([split_then.clone()]);
        assert_eq!(totals(&service).await, told(expected));
    }
    let shares = vec![(BUDI, Cents(900), Cents(900)), (CITRA, Cents(100), Cents(100))];
    let refund =
        Transaction { shares, refund_of: Some(1), ..Transaction::new(2, "completed").of(1_000).between(BUDI, ANI) };
    service.sources.store([refund]);
    assert_eq!(totals(&service).await, told([(2, "90", "0"), (2, "0", "81"), (2, "0", "9")]));
    // a refund of which somebody pays nothing is none of its transactions
    let shares = vec![(BUDI, Cents(0), Cents(0)), (CITRA, Cents(1), Cents(1))];
    let cent = Transaction { shares, refund_of: Some(1), ..Transaction::new(3, "completed").of(1).between(BUDI, ANI) };
    service.sources.store([cent]);
    assert_eq!(totals(&service).await, told([(3, "89.99", "0"), (2, "0", "81"), (3, "0", "8.99")]));
}

#[tokio::test]
async fn a_split_that_never_held_money_counts_for_its_sender_alone() {
    let service = Service::start().await;
    let processing = split("processing", [0, 0]);
    service.sources.store([processing.clone()]);
    assert_eq!(totals(&service).await, told([(1, "0", "0"), (1, "0", "0"), (1, "0", "0")]));
    service.sources.store([Transaction { counts_for: [true, false], ..processing.then("failed") }]);
    assert_eq!(totals(&service).await, told([(1, "0", "0"), (0, "0", "0"), (0, "0", "0")]));
    assert_eq!(service.totals(CITRA).await.last, None);
}

#[tokio::test]
async fn a_report_has_the_share_of_its_user() {
    let service = Service::start().await;
    service.sources.store([split("completed", [9_000, 1_000])]);
    for (user, amount) in [(ANI, 100), (BUDI, 90), (CITRA, 10)] {
        let _ =
            service.api.as_service().post("/reports", json!({"user_id": user, "transaction_id": 1})).await.expect(201);
        let page = service.api.get(&format!("/reports/user/{user}")).await.expect(200);
        assert!(page.text.contains(&format!("\"amount\":{amount},")), "{}", page.text);
        assert!(user == ANI || !page.text.contains("\"amount\":100,"), "{}", page.text);
    }
}
