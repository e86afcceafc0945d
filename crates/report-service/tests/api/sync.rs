//! Taking over everything on request.

use chrono::{TimeDelta, Utc};
use lab::http::eventually;
use money::time;
use tokio::task::JoinSet;

use crate::support::{
    service::Service,
    sources::{ANI, BUDI, CITRA, Totals, Transaction, payments, settled, the_first_hour},
};

#[tokio::test]
async fn a_full_run_takes_over_every_user_and_every_transaction() {
    let service = Service::start().await;
    service.sources.add_users(4..=450);
    service.sources.store(payments(2_300));
    let begun = time::now();
    let synced = service.sync().await.expect(200);
    assert_eq!(synced["message"], "Reports synchronized successfully");
    assert_eq!((&synced["synced_users"], &synced["synced_transactions"]), (&450.into(), &2_300.into()));
    let timestamp = synced["timestamp"].as_str().filter(|text| text.ends_with('Z')).expect("a moment in UTC");
    assert!((begun..=time::now()).contains(&timestamp.parse::<chrono::DateTime<Utc>>().unwrap()), "{timestamp}");

    service.sources.set_walks_down(true);
    service.assert_agrees_with_sources(&[ANI, BUDI, CITRA, 4, 450]).await;
    let again = service.sync().await.expect(200);
    assert_eq!((&again["synced_users"], &again["synced_transactions"]), (&450.into(), &2_300.into()));
    service.assert_agrees_with_sources(&[ANI, BUDI, CITRA]).await;

    service.sources.store(settled(service.sources.transactions()));
    let _ = service.sync().await.expect(200);
    service.assert_agrees_with_sources(&[ANI, BUDI, CITRA]).await;
}

#[tokio::test]
async fn a_page_that_ends_exactly_with_the_feed_is_no_end_to_the_run() {
    for count in [499, 500, 501, 1_000] {
        let service = Service::start().await;
        service.sources.store(payments(count));
        assert_eq!(service.sync().await.expect(200)["synced_transactions"], count);
        service.sources.set_walks_down(true);
        service.assert_agrees_with_sources(&[ANI, BUDI, CITRA]).await;
    }
}

#[tokio::test]
async fn many_changes_at_one_moment_are_all_taken_over() {
    let service = Service::start().await;
    let moment = the_first_hour();
    service.sources.store(payments(1_200).map(|payment| payment.changed_at(moment)));
    assert_eq!(service.sync().await.expect(200)["synced_transactions"], 1_200);
    service.sources.set_walks_down(true);
    service.assert_agrees_with_sources(&[ANI, BUDI, CITRA]).await;
}

#[tokio::test]
async fn a_second_run_is_refused_while_one_is_under_way_and_readers_see_the_old_state() {
    let service = Service::start().await;
    let second = service.second_instance().await.as_service();
    service.stop().await; // background runs would wait at the gate too, and change what readers see
    service.sources.store(payments(600));
    let _ = service.sync().await.expect(200);
    let old: Vec<Totals> = [ANI, BUDI, CITRA].map(|user| service.sources.totals(user)).into();

    service.sources.store(settled(service.sources.transactions()));
    service.sources.set_walks_down(true);
    service.sources.feed.close();
    let api = service.api.as_service();
    let run = tokio::spawn(async move { api.post_empty("/sync/all").await });
    service.sources.feed.holds(1).await;
    let _ = service.sync().await.expect_error(409, "sync_in_progress");
    let _ = second.post_empty("/sync/all").await.expect_error(409, "sync_in_progress");
    for (user, old) in [ANI, BUDI, CITRA].into_iter().zip(old) {
        assert_eq!(service.totals(user).await, old, "user {user}");
    }
    service.sources.feed.open();
    assert_eq!(run.await.unwrap().expect(200)["synced_transactions"], 600);
    service.assert_agrees_with_sources(&[ANI, BUDI, CITRA]).await;
    let _ = second.post_empty("/sync/all").await.expect(200);
}

#[tokio::test]
async fn a_run_goes_on_when_its_client_hangs_up() {
    let service = Service::start().await;
    service.sources.store(payments(600));
    service.sources.set_walks_down(true);
    service.sources.feed.close();
    let api = service.api.as_service();
    let run = tokio::spawn(async move { api.post_empty("/sync/all").await });
    service.sources.feed.holds(1).await;
    run.abort();
    service.sources.feed.open();
    let expected = service.sources.totals(ANI);
    eventually("the run to end", async || (service.counted(ANI).await == expected).then_some(())).await;
    service.assert_agrees_with_sources(&[ANI, BUDI, CITRA]).await;
}

#[tokio::test]
async fn a_run_that_dies_in_the_middle_leaves_totals_that_agree_with_what_it_took_over() {
    let service = Service::start().await;
    service.sources.store(payments(1_800));
    service.sources.fail_after_pages(Some(1));
    let _ = service.sync().await.expect_error(503, "service_unavailable");

    service.sources.set_walks_down(true);
    let taken: Vec<Transaction> = payments(500).collect();
    for user in [ANI, BUDI, CITRA] {
        assert_eq!(service.counted(user).await, Totals::count(user, &taken), "user {user}");
        // nobody knows whether that was ever true
        let _ = service.summary(user).await.expect_error(503, "service_unavailable");
    }
    service.sources.fail_after_pages(None);
    assert_eq!(service.sync().await.expect(200)["synced_transactions"], 1_800);
    service.assert_agrees_with_sources(&[ANI, BUDI, CITRA]).await;
}

#[tokio::test]
async fn a_newer_version_is_never_replaced_by_an_older_one() {
    let service = Service::start().await;
    let pending = Transaction::new(1, "pending");
    let completed = pending.clone().then("completed");
    service.sources.store([completed.clone()]);
    let _ = service.report(ANI, 1).await.expect(201);
    let expected = service.sources.totals(ANI);
    let late = pending.clone().changed_at(completed.changed_at + TimeDelta::hours(1));
    for old in [pending, late] {
        service.sources.store([old]);
        let _ = service.sync().await.expect(200);
        assert_eq!(service.totals(ANI).await, expected);
        assert_eq!(service.reports(ANI).await.expect(200)["reports"][0]["status"], "completed");
        let _ = service.report(ANI, 1).await.expect(200);
        assert_eq!(service.totals(ANI).await, expected);
    }
}

#[tokio::test]
async fn instances_and_readers_that_take_over_the_same_changes_count_them_once() {
    let service = Service::start().await;
    service.sources.store(payments(1_200));
    let second = service.second_instance().await;
    service.work();
    for round in 0..2 {
        let mut calls = JoinSet::new();
        for api in [service.api.as_service(), second.as_service()] {
            for user in [ANI, BUDI, CITRA] {
                let api = api.clone();
                calls.spawn(async move { api.get(&format!("/summaries/user/{user}")).await });
            }
            calls.spawn(async move { api.post_empty("/sync/all").await });
        }
        let replies = calls.join_all().await;
        for reply in &replies {
            assert!([200, 409].contains(&reply.status.as_u16()), "{}", reply.text);
        }
        service.assert_agrees_with_sources(&[ANI, BUDI, CITRA]).await;
        if round == 0 {
            service.sources.store(settled(service.sources.transactions()));
        }
    }
    service.stop().await;
    let _ = service.sync().await.expect(200);
    service.assert_agrees_with_sources(&[ANI, BUDI, CITRA]).await;
}
