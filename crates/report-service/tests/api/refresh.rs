//! What a request takes over for its user before it answers.

use chrono::TimeDelta;
use common::time;

use crate::support::{
    service::{Service, totals},
    sources::{ANI, BUDI, CITRA, Transaction, payments},
};

#[tokio::test]
async fn a_user_with_more_changes_than_one_request_takes_over_is_told_so() {
    let service = Service::start().await;
    service.sources.store((1..=5_100).map(|id| Transaction::new(id, "completed")));
    let summary = service.summary(ANI).await.expect(200);
    assert_ne!(summary.header("x-data-as-of"), "");
    assert!(totals(&summary).transactions < 5_100);
    let _ = service.sync().await.expect(200);
    let summary = service.summary(ANI).await.expect(200);
    assert_eq!((totals(&summary), summary.header("x-data-as-of")), (service.sources.totals(ANI), ""));
}

#[tokio::test]
async fn what_shows_up_late_is_seen_by_a_reader_at_once() {
    let service = Service::start().await;
    let now = time::now();
    service.sources.store([Transaction::new(1, "completed").changed_at(now)]);
    let _ = service.sync().await.expect(200);
    service.sources.store([Transaction::new(2, "completed").changed_at(now - TimeDelta::seconds(30))]);
    service.assert_agrees_with_sources(&[ANI, BUDI]).await;
}

#[tokio::test]
async fn without_a_run_all_of_a_user_s_transactions_are_walked_through() {
    let service = Service::start().await;
    service.sources.store(payments(300));
    service.assert_agrees_with_sources(&[ANI, BUDI, CITRA]).await;
    let summary = service.summary(ANI).await.expect(200);
    assert_eq!((totals(&summary), summary.header("x-data-as-of")), (service.sources.totals(ANI), ""));
}

#[tokio::test]
async fn a_walk_ends_where_the_last_run_began() {
    let service = Service::start().await;
    let old = (1..=120).map(|id| Transaction::new(id, "completed"));
    service.sources.store(old);
    let _ = service.sync().await.expect(200);
    service.sources.take_asked();

    service.assert_agrees_with_sources(&[ANI]).await;
    service.sources.store((121..=124).map(|id| Transaction::new(id, "completed").between(CITRA, ANI)));
    service.assert_agrees_with_sources(&[ANI]).await;
    let asked = service.sources.take_asked();
    assert_eq!((asked.walks, asked.batches), (vec![(None, 50), (None, 50)], vec![]), "nothing is open");

    service.sources.store((125..=200).map(|id| Transaction::new(id, "completed")));
    service.assert_agrees_with_sources(&[ANI]).await;
    assert_eq!(service.sources.take_asked().walks, [(None, 50), (Some(151), 500)]);
}

#[tokio::test]
async fn open_transactions_below_the_walk_are_asked_for_again() {
    for (status, next) in [("pending", "completed"), ("pending", "cancelled"), ("processing", "completed")] {
        let service = Service::start().await;
        let (sent, received) = (Transaction::new(1, status), Transaction::new(2, status).between(BUDI, ANI));
        let foreign = Transaction::new(3, status).between(BUDI, CITRA);
        service.sources.store([sent.clone(), received.clone(), foreign]);
        service.sources.store((4..=100).map(|id| Transaction::new(id, "completed")));
        let _ = service.sync().await.expect(200);
        let later = Transaction::new(101, status).changed_at;
        service.sources.store([sent.changed_at(later).then(next), received.changed_at(later).then(next)]);
        service.sources.take_asked();

        let summary = service.summary(ANI).await.expect(200);
        assert_eq!((totals(&summary), summary.header("x-data-as-of")), (service.sources.totals(ANI), ""));
        let asked = service.sources.take_asked();
        assert_eq!((asked.walks, asked.batches), (vec![(None, 50)], vec![vec![2, 1]]));
        service.assert_agrees_with_sources(&[ANI]).await;
        assert_eq!(service.sources.take_asked().batches, Vec::<Vec<i64>>::new(), "what is settled stays so");
        service.assert_agrees_with_sources(&[BUDI, CITRA]).await;
    }
}

#[tokio::test]
async fn a_user_with_more_open_transactions_than_one_request_asks_for_is_told_so() {
    let service = Service::start().await;
    service.sources.store((1..=1_003).map(|id| Transaction::new(id, "pending")));
    let _ = service.sync().await.expect(200);
    let settled: Vec<Transaction> = service.sources.transactions().into_iter().map(|t| t.then("completed")).collect();
    service.sources.store(settled.clone());
    service.sources.take_asked();
    let summary = service.summary(ANI).await.expect(200);
    assert_ne!(summary.header("x-data-as-of"), "");
    let asked = service.sources.take_asked().batches;
    assert_eq!(asked, [(3..=1_002).rev().collect::<Vec<i64>>()], "the newest ones; 1,003 is new enough for the walk");
    assert_eq!(totals(&summary).spent.0, settled[2..].iter().map(|transaction| transaction.amount.0).sum());
    assert_eq!(totals(&summary).transactions, 1_003);

    let summary = service.summary(ANI).await.expect(200);
    assert_eq!((totals(&summary), summary.header("x-data-as-of")), (service.sources.totals(ANI), ""));
}

#[tokio::test]
async fn a_transaction_that_is_inserted_late_is_found_below_newer_ones() {
    let service = Service::start().await;
    let now = time::now();
    let at = |id: i64, seconds: i64| Transaction::new(id, "completed").changed_at(now - TimeDelta::seconds(seconds));
    service.sources.store([at(1, 500), at(3, 40), at(4, 20), at(5, 0)]);
    let _ = service.sync().await.expect(200);
    // its number was given out before those of 3, 4 and 5; it was committed after the run
    service.sources.store([at(2, 44)]);
    service.assert_agrees_with_sources(&[ANI, BUDI]).await;
}

#[tokio::test]
async fn the_status_of_a_report_follows_its_transaction_however_old_it_is() {
    let service = Service::start().await;
    let old = Transaction::new(1, "pending");
    service.sources.store([old.clone()]);
    service.sources.store((2..=60).map(|id| Transaction::new(id, "completed")));
    let _ = service.report(ANI, 1).await.expect(201);
    let _ = service.sync().await.expect(200);
    service.sources.store([old.then("cancelled")]);
    assert_eq!(service.reports(ANI).await.expect(200)["reports"][0]["status"], "cancelled");
}
