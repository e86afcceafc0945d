//! Batches of numbers, with what may happen to them.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::time::sleep;

use super::*;

/// Why a batch of numbers fails.
#[derive(Debug, Clone, thiserror::Error)]
#[error("a number is negative")]
struct Unlucky;

type Numbers = Batcher<i64, i64, Unlucky>;

fn meets_one(_: &Unlucky) -> bool {
    false
}

/// Doubles numbers; refuses a batch with a negative one, panics at 13, and remembers the size of each batch.
fn doubling(max_batch: usize) -> (Numbers, Arc<std::sync::Mutex<Vec<usize>>>) {
    let sizes = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = sizes.clone();
    let group = Batcher::start(
        "numbers",
        max_batch,
        || 1,
        meets_one,
        move |items: Arc<[i64]>, _| {
            seen.lock().unwrap().push(items.len());
            async move {
                sleep(Duration::from_millis(5)).await; // the others arrive meanwhile
                assert!(!items.contains(&13));
                if items.iter().any(|n| *n < 0) {
                    return Err(Unlucky);
                }
                Ok(items.iter().map(|n| n * 2).collect())
            }
        },
    );
    (group, sizes)
}

async fn submit_at_once(group: &Numbers, items: &[i64]) -> Vec<Result<i64, BatchError<Unlucky>>> {
    let mut waiting = Vec::new();
    for item in items {
        let (group, item) = (group.clone(), *item);
        waiting.push(tokio::spawn(async move { group.submit(item).await }));
    }
    let mut outcomes = Vec::new();
    for outcome in waiting {
        outcomes.push(outcome.await.unwrap());
    }
    outcomes
}

#[tokio::test]
async fn items_that_wait_together_share_a_batch_and_get_their_own_outcome() {
    let (group, sizes) = doubling(100);
    let items: Vec<i64> = (20..60).collect();
    let outcomes: Vec<i64> = submit_at_once(&group, &items).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes, items.iter().map(|n| n * 2).collect::<Vec<_>>());
    assert!(sizes.lock().unwrap().len() <= 3, "{sizes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn items_that_are_ready_together_share_the_first_batch() {
    let (group, sizes) = doubling(100);
    let submitting = async move { submit_at_once(&group, &(20..50).collect::<Vec<i64>>()).await };
    tokio::spawn(submitting).await.unwrap(); // all of them on the worker, which is busy with this until they wait
    assert_eq!(*sizes.lock().unwrap(), [30]);
}

#[tokio::test]
async fn one_as_the_largest_batch_turns_sharing_off() {
    let (group, sizes) = doubling(1);
    submit_at_once(&group, &[1, 2, 3, 4]).await;
    assert_eq!(*sizes.lock().unwrap(), [1, 1, 1, 1]);
}

#[tokio::test]
async fn an_item_that_cannot_be_written_fails_alone() {
    let (group, _) = doubling(100);
    let outcomes = submit_at_once(&group, &[1, -1, 2, 13, 3]).await;
    assert!(
        matches!(outcomes[..], [Ok(2), Err(BatchError::Failed(_)), Ok(4), Err(BatchError::Lost), Ok(6)]),
        "{outcomes:?}"
    );
    assert_eq!(group.submit(21).await.unwrap(), 42, "the gathering goes on");
}

#[tokio::test]
async fn a_list_is_carried_out_in_one_batch_however_long_it_is_and_answered_in_its_order() {
    let (group, sizes) = doubling(2);
    let (list, one) = tokio::join!(group.submit_all(vec![5, 4, 3, 2, 1]), group.submit(6));
    assert_eq!((list.unwrap(), one.unwrap()), (vec![10, 8, 6, 4, 2], 12));
    assert_eq!(*sizes.lock().unwrap(), [5, 1]);
    assert_eq!(group.submit_all(Vec::new()).await.unwrap(), Vec::<i64>::new());
}

#[tokio::test]
async fn a_caller_that_stops_waiting_changes_nothing_for_the_others() {
    let (group, _) = doubling(100);
    for _ in 0..10 {
        timeout(Duration::from_millis(1), group.submit(1)).await.unwrap_err();
    }
    assert_eq!(group.submit(2).await.unwrap(), 4);
}

/// Two lanes; the item 1 waits until the item 2 is carried out, with or without passing the baton on.
async fn waiting_for_the_next(passes: bool) -> Duration {
    let next = Arc::new(Notify::new());
    let group = Batcher::start(
        "numbers",
        1,
        || 2,
        meets_one,
        move |items: Arc<[i64]>, baton: Baton| {
            let next = next.clone();
            async move {
                if items[0] == 2 {
                    next.notify_one();
                } else {
                    if passes {
                        baton.pass();
                    }
                    next.notified().await;
                }
                Ok(items.to_vec())
            }
        },
    );
    let begun = tokio::time::Instant::now();
    let (one, two) = tokio::join!(group.submit(1), group.submit(2));
    assert_eq!((one.unwrap(), two.unwrap()), (1, 2));
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn the_next_batch_begins_when_one_passes_the_baton_on() {
    assert_eq!(waiting_for_the_next(true).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_stuck_holds_the_others_up_for_a_moment_only() {
    let waited = waiting_for_the_next(false).await;
    assert!((PATIENCE..PATIENCE * 2).contains(&waited), "{waited:?}");
}

#[tokio::test]
async fn a_full_queue_is_told_at_once() {
    static RUNNING: AtomicUsize = AtomicUsize::new(0);
    let group: Numbers = Batcher::start(
        "numbers",
        1,
        || 1,
        meets_one,
        |_, _| async {
            RUNNING.fetch_add(1, Ordering::SeqCst);
            std::future::pending().await
        },
    );
    let _waiting = tokio::spawn({
        let group = group.clone();
        async move { group.submit(0).await }
    });
    while RUNNING.load(Ordering::SeqCst) == 0 {
        yield_now().await;
    }
    let _rest = tokio::spawn({
        let group = group.clone();
        async move { group.submit_all(vec![0; QUEUE]).await }
    });
    while group.0.places.free.available_permits() > 0 {
        yield_now().await;
    }
    assert!(matches!(group.submit(0).await, Err(BatchError::Overloaded)));
    assert!(matches!(group.submit_all(vec![0, 0]).await, Err(BatchError::Overloaded)));
}
