//! Taking over what changed, in the background.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use lab::http::eventually;
use money::time;

use crate::support::{
    service::Service,
    sources::{ANI, BUDI, CITRA, Totals, Transaction, payments, settled},
};

/// Waits until so many of Ani's transactions were taken over.
async fn count(service: &Service, count: i64) {
    let what = format!("{count} transactions");
    eventually(&what, async || (service.counted(ANI).await.transactions == count).then_some(())).await;
}

/// Waits until so many pages of the feed were asked for.
async fn asked(service: &Service, pages: usize) {
    let what = format!("{pages} pages to be asked for");
    eventually(&what, async || (service.sources.known().asked.feed.len() >= pages).then_some(())).await;
}

#[tokio::test]
async fn a_background_run_that_dies_is_made_up_for_by_the_next() {
    let service = Service::start().await;
    service.sources.store(payments(1_800));
    service.sources.set_walks_down(true);
    service.sources.fail_after_pages(Some(2));
    service.work();
    let partial = Totals::count(ANI, &payments(1_000).collect::<Vec<_>>());
    eventually("two pages", async || (service.counted(ANI).await == partial).then_some(())).await;
    asked(&service, 3).await;
    service.sources.fail_after_pages(None);
    let expected = service.sources.totals(ANI);
    eventually("all pages", async || (service.counted(ANI).await == expected).then_some(())).await;
    service.assert_agrees_with_sources(&[ANI, BUDI, CITRA]).await;
    service.stop().await;
}

#[tokio::test]
async fn what_shows_up_late_in_the_feed_is_taken_over_by_the_next_background_run() {
    let service = Service::start().await;
    service.sources.set_walks_down(true);
    let now = time::now();
    service.sources.store([Transaction::new(1, "completed").changed_at(now)]);
    service.work();
    count(&service, 1).await;
    for (id, behind) in [(2, 0), (3, 5), (4, 30)] {
        // Changed before what was read last, and committed after it was.
        service.sources.store([Transaction::new(id, "completed").changed_at(now - TimeDelta::seconds(behind))]);
        count(&service, id).await;
    }
    let settled = Transaction::new(5, "pending").changed_at(now - TimeDelta::seconds(31));
    service.sources.store([settled.clone()]);
    count(&service, 5).await;
    service.sources.store([settled.then("completed")]);
    let expected = service.sources.totals(BUDI);
    eventually("the late change", async || (service.counted(BUDI).await == expected).then_some(())).await;
    service.assert_agrees_with_sources(&[ANI, BUDI]).await;
    service.stop().await;
}

#[tokio::test]
async fn a_run_goes_on_near_the_page_that_failed() {
    let service = Service::start().await;
    let all: Vec<Transaction> = payments(1_800).map(|payment| payment.between(ANI, BUDI)).collect();
    service.sources.store(all.clone());
    service.sources.set_walks_down(true);
    service.sources.fail_after_pages(Some(2));
    service.work();
    asked(&service, 3).await;
    service.sources.fail_after_pages(None);
    count(&service, 1_800).await;
    service.stop().await;
    let asked: Vec<DateTime<Utc>> = service.sources.take_asked().feed.into_iter().map(|(_, since)| since).collect();
    let reached = all[999].changed_at;
    assert_eq!(asked[..3], [asked[0], all[499].changed_at, reached]);
    let resumed = *asked.iter().find(|since| (reached - TimeDelta::seconds(60)..reached).contains(*since)).unwrap();
    assert!(asked.iter().skip(3).all(|since| *since >= resumed), "{asked:?}");
}

#[tokio::test]
async fn what_changes_during_a_run_is_not_lost() {
    let service = Service::start().await;
    service.sources.store(payments(1_300));
    service.sources.fail_after_pages(Some(1));
    service.work();
    service.sources.set_walks_down(true);
    let partial = Totals::count(ANI, &payments(500).collect::<Vec<_>>());
    eventually("a page", async || (service.counted(ANI).await == partial).then_some(())).await;
    asked(&service, 2).await;
    // some of these were read, others move to the end before the reader comes to their place
    service.sources.store(settled(service.sources.transactions()));
    service.sources.set_walks_down(false);
    service.assert_agrees_with_sources(&[ANI, BUDI, CITRA]).await;
    service.sources.fail_after_pages(None);
    service.sources.set_walks_down(true);
    let expected = service.sources.totals(CITRA);
    eventually("all pages", async || (service.counted(CITRA).await == expected).then_some(())).await;
    service.assert_agrees_with_sources(&[ANI, BUDI, CITRA]).await;
    service.stop().await;
}

#[tokio::test]
async fn a_run_rests_between_its_pages_and_comes_to_its_end_all_the_same() {
    const PAGE_TAKES: Duration = Duration::from_millis(50);
    let service = Service::start().await;
    service.sources.store(payments(1_800).map(|payment| payment.between(ANI, BUDI)));
    service.sources.set_walks_down(true);
    service.sources.set_page_takes(PAGE_TAKES);
    service.work();
    count(&service, 1_800).await;
    service.stop().await;
    let asked = service.sources.take_asked().feed;
    assert!(asked.len() >= 4, "{asked:?}");
    for pair in asked.windows(2) {
        // the rest is three times the page, and then comes the next page
        assert!(pair[1].0 - pair[0].0 >= 4 * PAGE_TAKES, "{asked:?}");
    }
}

#[tokio::test]
async fn a_run_under_way_ends_with_its_page_at_shutdown() {
    let service = Service::start().await;
    service.sources.store(payments(3_500).map(|payment| payment.between(ANI, BUDI)));
    service.sources.set_walks_down(true);
    service.sources.set_page_takes(Duration::from_millis(500));
    service.work();
    count(&service, 500).await;
    let begun = Instant::now();
    service.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(service.counted(ANI).await.transactions < 2_000);
}
