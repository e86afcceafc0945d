//! When a source is away, the last copy answers and says so.

use chrono::{DateTime, Utc};
use lab::http::Reply;
use money::time;
use tokio::task::JoinSet;

use crate::support::{
    service::{Service, totals},
    sources::{ANI, BUDI, CITRA, NOBODY, Sources, Transaction, payments},
};

#[track_caller]
fn as_of(reply: &Reply) -> DateTime<Utc> {
    let text = reply.header("x-data-as-of");
    let time = text.parse().unwrap_or_else(|_| panic!("no moment: {text:?}"));
    assert!(text.ends_with('Z') && time <= time::now(), "{text}");
    time
}

#[tokio::test]
async fn without_transaction_service_the_last_copy_answers_with_its_date() {
    let service = Service::start().await;
    let payment = Transaction::new(1, "pending");
    service.sources.store([payment.clone()]);
    let _ = service.report(ANI, 1).await.expect(201);
    let before = time::now();
    let _ = service.sync().await.expect(200);
    let after = time::now();
    let (summary, reports) = (service.summary(ANI).await.expect(200), service.reports(ANI).await.expect(200));

    service.sources.store([payment.then("completed")]);
    service.sources.set_transactions_down(true);
    let (old_summary, old_reports) = (service.summary(ANI).await.expect(200), service.reports(ANI).await.expect(200));
    assert_eq!((old_summary.json.clone(), old_reports.json.clone()), (summary.json, reports.json));
    for old in [old_summary, old_reports] {
        assert!((before..=after).contains(&as_of(&old)), "{}", as_of(&old));
    }

    service.sources.set_transactions_down(false);
    assert_eq!(service.told(ANI).await, (service.sources.totals(ANI), true));
    assert_eq!(service.reports(ANI).await.expect(200)["reports"][0]["status"], "completed");
}

#[tokio::test]
async fn a_copy_that_was_never_complete_says_nothing() {
    let service = Service::start().await;
    service.sources.store([Transaction::new(1, "pending")]);
    let _ = service.report(ANI, 1).await.expect(201);
    service.sources.set_transactions_down(true);
    for reply in [service.summary(ANI).await, service.reports(ANI).await] {
        let unavailable = reply.expect_error(503, "service_unavailable");
        assert!(unavailable.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    }
    service.sources.set_transactions_down(false);
    let _ = service.summary(ANI).await.expect(200);
    // what a request found is true as well, at its moment
    service.sources.set_transactions_down(true);
    for reply in [service.summary(ANI).await.expect(200), service.reports(ANI).await.expect(200)] {
        as_of(&reply);
    }
}

#[tokio::test]
async fn what_a_run_has_taken_over_in_part_is_not_told() {
    let service = Service::start().await;
    service.sources.store(payments(1_800));
    let before = time::now();
    let _ = service.sync().await.expect(200);
    let after = time::now();
    let old = [ANI, BUDI, CITRA].map(|user| service.sources.totals(user));
    let changed = service.sources.transactions().into_iter().filter(|row| row.status == "pending");
    service.sources.store(changed.map(|row| row.changed_at(time::now()).then("completed")).collect::<Vec<_>>());
    service.sources.set_walks_down(true);
    service.sources.fail_after_pages(Some(3));
    let _ = service.sync().await.expect_error(503, "service_unavailable");
    for (user, old) in [ANI, BUDI, CITRA].into_iter().zip(old) {
        assert_ne!(service.counted(user).await, old, "something was taken over");
        let summary = service.summary(user).await.expect(200);
        assert_eq!(totals(&summary), old, "user {user}");
        assert!((before..=after).contains(&as_of(&summary)), "{}", as_of(&summary));
    }
    service.sources.fail_after_pages(None);
    let _ = service.sync().await.expect(200);
    service.assert_agrees_with_sources(&[ANI, BUDI, CITRA]).await;
}

#[tokio::test]
async fn without_user_service_known_users_are_answered() {
    let service = Service::start().await;
    service.sources.store([Transaction::new(1, "completed")]);
    let _ = service.summary(ANI).await.expect(200);
    service.sources.set_users_down(true);
    service.sources.store([Transaction::new(2, "completed")]);
    let known = service.summary(ANI).await.expect(200);
    assert_eq!(totals(&known), service.sources.totals(ANI), "transactions are taken over all the same");
    let _ = service.reports(ANI).await.expect(200);
}

#[tokio::test]
async fn without_user_service_nobody_can_say_whether_an_unknown_user_exists() {
    let service = Service::start().await;
    service.sources.set_users_down(true);
    for user in [CITRA, NOBODY] {
        for reply in [service.summary(user).await, service.reports(user).await] {
            let unavailable = reply.expect_error(503, "service_unavailable");
            assert!(unavailable.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
        }
    }
    service.sources.set_users_down(false);
    let _ = service.sync().await.expect(200);
    service.sources.set_users_down(true);
    let _ = service.summary(CITRA).await.expect(200);
    let _ = service.summary(NOBODY).await.expect_error(503, "service_unavailable");
}

#[tokio::test]
async fn a_run_that_cannot_read_a_source_is_503_and_the_next_one_can() {
    let service = Service::start().await;
    service.sources.store([Transaction::new(1, "completed")]);
    let _ = service.summary(ANI).await.expect(200);
    for set_down in [Sources::set_users_down, Sources::set_transactions_down] {
        set_down(&service.sources, true);
        let unavailable = service.sync().await.expect_error(503, "service_unavailable");
        assert!(unavailable.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
        set_down(&service.sources, false);
        let _ = service.sync().await.expect(200);
    }
    service.assert_agrees_with_sources(&[ANI, BUDI]).await;
}

#[tokio::test]
async fn requests_that_wait_for_user_service_leave_the_database_to_others() {
    let service = Service::start().await;
    service.sources.lookups.close();
    let mut waiting = JoinSet::new();
    for _ in 0..10 {
        let api = service.api.clone();
        waiting.spawn(async move { api.get(&format!("/summaries/user/{ANI}")).await });
    }
    // As many as the pool has connections; a service that keeps none lets all ten through.
    service.sources.lookups.holds(8).await;
    let _ = service.api.get("/ready").await.expect(200);
    service.sources.lookups.open();
    for reply in waiting.join_all().await {
        let _ = reply.expect(200);
    }
}
