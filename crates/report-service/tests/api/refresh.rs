//! What a request takes over for its user before it answers.

use chrono::TimeDelta;
use money::time;

use crate::support::{
    service::Service,
    sources::{ANI, BUDI, CITRA, Transaction, payments, the_first_hour},
};

#[tokio::test]
async fn a_user_with_thousands_of_new_transactions_is_told_the_truth() {
    let service = Service::start().await;
    service.sources.store((1..=8_007).map(|id| Transaction::new(id, "completed").changed_at(the_first_hour())));
    let told = service.told(ANI).await;
    assert_eq!(told, (service.sources.totals(ANI), true));
    service.sources.take_asked();
    service.assert_agrees_with_sources(&[ANI]).await;
    assert_eq!(service.sources.take_asked().walks, [(None, 50)], "a walk ends where the last one began");
}

/// The same transaction, changed in a while.
fn soon(transaction: &Transaction, seconds: i64) -> Transaction {
    transaction.clone().changed_at(time::now() + TimeDelta::seconds(seconds)).then("completed")
}

#[tokio::test]
async fn what_changes_during_a_walk_counts_as_it_was_when_the_walk_began() {
    let service = Service::start().await;
    let pending: Vec<Transaction> = (1..=120).map(|id| Transaction::new(id, "pending")).collect();
    service.sources.store(pending.clone());
    let before = service.sources.totals(ANI);
    // the newest one is read first, and completed before the one that is read later
    service.sources.change_before_answers([vec![], vec![soon(&pending[119], 10), soon(&pending[4], 20)]]);
    let told = service.told(ANI).await;
    assert_eq!(told, (before, true));
    service.assert_agrees_with_sources(&[ANI, BUDI]).await;
}

#[tokio::test]
async fn what_changes_before_open_transactions_are_asked_for_counts_as_it_was_when_the_walk_began() {
    let service = Service::start().await;
    let pending: Vec<Transaction> = (1..=3).map(|id| Transaction::new(id, "pending")).collect();
    service.sources.store(pending.clone());
    service.sources.store((4..=100).map(|id| Transaction::new(id, "completed")));
    let _ = service.sync().await.expect(200);
    let newer = Transaction::new(101, "pending");
    service.sources.store([newer.clone()]);
    let before = service.sources.totals(ANI);
    service.sources.change_before_answers([vec![], vec![soon(&newer, 10), soon(&pending[0], 20)]]);
    let told = service.told(ANI).await;
    assert_eq!(told, (before, true));
    service.assert_agrees_with_sources(&[ANI, BUDI]).await;
}

#[tokio::test]
async fn a_walk_begins_again_if_it_is_not_known_what_something_was_before() {
    let service = Service::start().await;
    let pending: Vec<Transaction> = (1..=60).map(|id| Transaction::new(id, "pending")).collect();
    service.sources.store(pending.clone());
    // completed and deleted, or only deleted: nobody can tell
    let deleted = Transaction { hidden: true, version: 9, ..soon(&pending[2], 10) };
    service.sources.change_before_answers([vec![], vec![soon(&pending[59], 5), deleted]]);
    let told = service.told(ANI).await;
    assert_eq!(told, (service.sources.totals(ANI), true));
    // the second walk looks at its first page once more
    assert_eq!(service.sources.take_asked().walks.iter().filter(|(before, _)| before.is_none()).count(), 3);
}

#[tokio::test]
async fn a_walk_begins_again_if_something_older_than_its_moment_was_committed_later() {
    let service = Service::start().await;
    let pending: Vec<Transaction> = (1..=60).map(|id| Transaction::new(id, "pending")).collect();
    service.sources.store(pending.clone());
    // both changed before the first page was read; the one that belongs on it shows afterwards, like the other
    let before = time::now() - TimeDelta::seconds(1);
    let late = Transaction::new(61, "completed").changed_at(before);
    service
        .sources
        .change_before_answers([vec![], vec![late, pending[4].clone().then("completed").changed_at(before)]]);
    let told = service.told(ANI).await;
    assert_eq!(told, (service.sources.totals(ANI), true));
}

#[tokio::test]
async fn a_newer_change_that_another_request_takes_over_is_not_mixed_in() {
    let service = Service::start().await;
    let pending: Vec<Transaction> = (1..=60).map(|id| Transaction::new(id, "pending")).collect();
    service.sources.store(pending.clone());
    let _ = service.sync().await.expect(200);
    let as_synced = service.sources.totals(ANI);
    // a report takes a completion over while transaction-service knows of an earlier one that nobody has read
    service.sources.store([soon(&pending[9], 10), soon(&pending[19], 20)]);
    let _ = service.report(BUDI, 20).await.expect(201);
    service.sources.set_walks_down(true);
    let told = service.told(ANI).await;
    assert_eq!(told, (as_synced, false));
    service.sources.set_walks_down(false);
    service.assert_agrees_with_sources(&[ANI, BUDI]).await;
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
    let told = service.told(ANI).await;
    assert_eq!(told, (service.sources.totals(ANI), true));
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
    // of several pages, the first one is looked at once more
    assert_eq!(service.sources.take_asked().walks, [(None, 50), (Some(151), 500), (None, 50)]);
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

        let told = service.told(ANI).await;
        assert_eq!(told, (service.sources.totals(ANI), true));
        let asked = service.sources.take_asked();
        assert_eq!((asked.walks, asked.batches), (vec![(None, 50)], vec![vec![2, 1]]));
        service.assert_agrees_with_sources(&[ANI]).await;
        assert_eq!(service.sources.take_asked().batches, Vec::<Vec<i64>>::new(), "what is settled stays so");
        service.assert_agrees_with_sources(&[BUDI, CITRA]).await;
    }
}

/// Settles all transactions that are open, now.
fn settle_all(service: &Service) {
    let all = service.sources.transactions();
    service.sources.store(all.iter().filter(|row| row.status == "pending").map(|row| soon(row, 0)));
}

#[tokio::test]
async fn more_open_transactions_than_one_call_asks_for_are_asked_for_in_several() {
    let service = Service::start().await;
    service.sources.store((1..=1_003).map(|id| Transaction::new(id, "pending")));
    service.sources.store([Transaction::new(1_004, "completed").changed_at(the_first_hour())]); // where the walk ends
    let _ = service.sync().await.expect(200);
    settle_all(&service);
    service.sources.take_asked();
    let told = service.told(ANI).await;
    assert_eq!(told, (service.sources.totals(ANI), true));
    let asked = service.sources.take_asked().batches;
    assert!(asked == [(4..=1_003).rev().collect::<Vec<i64>>(), vec![3, 2, 1]], "{} calls", asked.len());
}

#[tokio::test]
async fn a_user_with_more_open_transactions_than_one_request_asks_for_is_told_what_was_true() {
    let service = Service::start().await;
    service.sources.store((1..=5_200).map(|id| Transaction::new(id, "pending")));
    service.sources.store([Transaction::new(5_201, "completed").changed_at(the_first_hour())]); // where the walk ends
    let _ = service.sync().await.expect(200);
    let as_synced = service.sources.totals(ANI);
    settle_all(&service);
    for _ in 0..2 {
        let told = service.told(ANI).await;
        assert_eq!(told, (as_synced.clone(), false));
    }
    let _ = service.sync().await.expect(200);
    let told = service.told(ANI).await;
    assert_eq!(told, (service.sources.totals(ANI), true));
}

/// Transactions that one request walks through: a page of 50, and 200 of 500.
const MOST_WALKED: i64 = 100_050;

#[tokio::test]
async fn a_user_with_more_transactions_than_one_request_walks_through_is_told_once_they_were_taken_over() {
    let service = Service::start().await;
    service.sources.store((1..=MOST_WALKED).map(|id| Transaction::new(id, "completed")));
    let _ = service.summary(ANI).await.expect_error(503, "overloaded");
    assert_eq!(service.sources.take_asked().walks.len(), 202, "there was one page more");
    let _ = service.sync().await.expect(200);
    service.assert_agrees_with_sources(&[ANI, BUDI]).await;
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
