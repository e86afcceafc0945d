//! Batches: requests that wait together share one commit to disk (group commit), one query, or one call.
//!
//! Whatever arrives while a batch is being carried out forms the next one, with whatever else is ready when that begins. No
//! batch waits for more to come: alone, an item goes straight through; under load the batches grow by themselves. Each
//! item succeeds or fails alone, and is answered only when its batch has ended. A caller that stops waiting changes nothing
//! for the others.

use std::{error::Error, pin::pin, sync::Arc, time::Duration};

use metrics::{Gauge, Histogram, gauge, histogram};
use tokio::{
    sync::{Mutex, Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::yield_now,
    time::sleep,
};

/// The metric of how many items shared a batch, by queue.
pub const BATCH_SIZE: &str = "group_commit_batch_size";
/// The metric of how many items wait for their batch, by queue.
pub const WAITING: &str = "group_commit_waiting";

/// Items that may wait for their batch; when the queue is full, callers are answered 503.
const QUEUE: usize = 8192;

/// After so long a batch that has not passed the baton on is taken to be stuck, and the next one begins beside it.
const PATIENCE: Duration = Duration::from_millis(100);

/// Gathers items into batches for `work`. Cheap to clone: each request clones its service's state several times.
pub struct Batcher<I, O, E>(Arc<Entrance<I, O, E>>);

/// Where items come in.
struct Entrance<I, O, E> {
    queue: mpsc::UnboundedSender<Job<I, O, E>>,
    places: Places,
}

/// Places for items that wait.
#[derive(Clone)]
struct Places {
    free: Arc<Semaphore>,
    waiting: Gauge,
}

impl Places {
    /// Places for so many items, if there are.
    fn take(&self, items: usize) -> Option<OwnedSemaphorePermit> {
        let taken = self.free.clone().try_acquire_many_owned(u32::try_from(items).ok()?).ok();
        self.show();
        taken
    }

    fn show(&self) {
        self.waiting.set(number(QUEUE - self.free.available_permits()));
    }
}

/// What one batch at a time has. While it keeps it, all that arrives waits and shares the next batch: a few large batches cost less
/// than many small ones.
#[derive(Debug, Clone, Default)]
pub struct Baton(Arc<Notify>);

impl Baton {
    /// Lets the next batch begin, although this one has not ended: it only waits for the database.
    pub fn pass(&self) {
        self.0.notify_one();
    }
}

/// A count as metrics have it.
fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// Items that are carried out in one batch, in their order.
struct Job<I, O, E> {
    items: Vec<I>,
    answer: oneshot::Sender<Vec<Outcome<O, E>>>,
    place: OwnedSemaphorePermit,
}

/// What came of an item; `None` if its work panicked.
type Outcome<O, E> = Option<Result<O, E>>;

/// Why an item brought no outcome.
#[derive(Debug, thiserror::Error)]
pub enum BatchError<E> {
    /// Too many items wait already; this one was not taken.
    #[error("too many requests wait already")]
    Overloaded,
    /// Its batch failed, and so did the item on its own.
    #[error(transparent)]
    Failed(E),
    /// The work panicked.
    #[error("the batch came to no end")]
    Lost,
}

impl<I, O, E> Clone for Batcher<I, O, E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<I, O, E> Batcher<I, O, E>
where
    I: Clone + Send + Sync + 'static,
    O: Send + 'static,
    E: Clone + Error + Send + 'static,
{
    /// Starts gathering under `name`, until there are `max_batch` items (1 turns sharing off), with at most `lanes` batches under
    /// way: one that has the baton, and those that have passed it on or are stuck. `work` carries out a batch, usually
    /// in one database transaction, and answers one outcome for each item, in their order. It must be safe to run twice:
    /// a batch that fails is run again item by item, so that an item that cannot be written fails alone; unless
    /// `meets_all` says of its failure that each item would meet it.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start<W, F>(name: &'static str, max_batch: usize, lanes: usize, meets_all: fn(&E) -> bool, work: W) -> Self
    where
        W: Fn(Arc<[I]>, Baton) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<O>, E>> + Send + 'static,
    {
        let (waiting, sizes) = (gauge!(WAITING, "queue" => name), histogram!(BATCH_SIZE, "queue" => name));
        let (queue, jobs) = mpsc::unbounded_channel();
        let (jobs, work) = (Arc::new(Mutex::new(jobs)), Arc::new(work));
        let places = Places { free: Arc::new(Semaphore::new(QUEUE)), waiting };
        for _ in 0..lanes {
            tokio::spawn(run(jobs.clone(), max_batch, meets_all, work.clone(), (places.clone(), sizes.clone())));
        }
        Self(Arc::new(Entrance { queue, places }))
    }

    /// The outcome of `item`, durable when this returns.
    pub async fn submit(&self, item: I) -> Result<O, BatchError<E>> {
        Ok(self.submit_all(vec![item]).await?.remove(0))
    }

    /// The outcomes of `items`, in their order. They are queued together or not at all, and are carried out in one batch, which
    /// they may share with others: an item may need what the one before it has done.
    pub async fn submit_all(&self, items: Vec<I>) -> Result<Vec<O>, BatchError<E>> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let (answer, outcomes) = oneshot::channel();
        let place = self.0.places.take(items.len()).ok_or(BatchError::Overloaded)?;
        self.0.queue.send(Job { items, answer, place }).map_err(|_| BatchError::Lost)?;
        let outcomes = outcomes.await.map_err(|_| BatchError::Lost)?;
        outcomes.into_iter().map(|outcome| outcome.ok_or(BatchError::Lost)?.map_err(BatchError::Failed)).collect()
    }
}

async fn run<I, O, E, W, F>(
    jobs: Arc<Mutex<mpsc::UnboundedReceiver<Job<I, O, E>>>>,
    max_batch: usize,
    meets_all: fn(&E) -> bool,
    work: Arc<W>,
    (places, sizes): (Places, Histogram),
) where
    I: Clone + Send + Sync + 'static,
    O: Send + 'static,
    E: Clone + Error + Send + 'static,
    W: Fn(Arc<[I]>, Baton) -> F + Send + Sync,
    F: Future<Output = Result<Vec<O>, E>> + Send + 'static,
{
    loop {
        let mut queue = jobs.lock().await;
        let Some(first) = queue.recv().await else { return };
        // The runtime runs this task right after the one that queued the first item: those that are ready too go first.
        yield_now().await;
        let (mut items, mut answers) = (Vec::with_capacity(max_batch), Vec::new());
        let mut next = Some(first);
        while let Some(Job { items: more, answer, place }) = next {
            answers.push((answer, more.len()));
            items.extend(more);
            drop(place);
            next = if items.len() < max_batch { queue.try_recv().ok() } else { None };
        }
        sizes.record(number(items.len()));
        places.show();
        let items: Arc<[I]> = items.into();
        let baton = Baton::default();
        let mut outcomes = pin!(carry_out(&items, &*work, meets_all, baton.clone()));
        let ended = tokio::select! {
            outcomes = &mut outcomes => Some(outcomes),
            () = baton.0.notified() => None,
            () = sleep(PATIENCE) => None,
        };
        drop(queue); // another lane goes on with those that wait
        let outcomes = match ended {
            Some(outcomes) => outcomes,
            None => outcomes.await,
        };
        let mut outcomes = outcomes.into_iter();
        for (answer, count) in answers {
            answer.send(outcomes.by_ref().take(count).collect()).ok(); // nobody may be waiting any more
        }
    }
}

/// One outcome for each item; `None` for one whose work panicked.
async fn carry_out<I, O, E, W, F>(
    items: &Arc<[I]>,
    work: &W,
    meets_all: fn(&E) -> bool,
    baton: Baton,
) -> Vec<Outcome<O, E>>
where
    I: Clone + Send + Sync + 'static,
    O: Send + 'static,
    E: Clone + Error + Send + 'static,
    W: Fn(Arc<[I]>, Baton) -> F + Send + Sync,
    F: Future<Output = Result<Vec<O>, E>> + Send + 'static,
{
    // in a task of its own, so that a panic ends the batch and not the gathering
    match tokio::spawn(work(items.clone(), baton)).await {
        Ok(Ok(outcomes)) => {
            assert_eq!(outcomes.len(), items.len(), "a batch answers each of its items");
            return outcomes.into_iter().map(|outcome| Some(Ok(outcome))).collect();
        }
        Ok(Err(error)) if items.len() == 1 || meets_all(&error) => {
            return items.iter().map(|_| Some(Err(error.clone()))).collect();
        }
        Err(_) if items.len() == 1 => return vec![None],
        Ok(Err(error)) => tracing::warn!(%error, items = items.len(), "a batch failed; its items go one by one"),
        Err(panic) => tracing::error!(%panic, items = items.len(), "a batch panicked; its items go one by one"),
    }
    let mut outcomes = Vec::with_capacity(items.len());
    for item in items.iter() {
        outcomes.push(match tokio::spawn(work([item.clone()].into(), Baton::default())).await {
            Ok(outcome) => Some(outcome.map(|mut one| one.remove(0))),
            Err(_) => None,
        });
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

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
        let group = Batcher::start("numbers", max_batch, 1, meets_one, move |items: Arc<[i64]>, _| {
            seen.lock().unwrap().push(items.len());
            async move {
                sleep(Duration::from_millis(5)).await; // the others arrive meanwhile
                assert!(!items.contains(&13));
                if items.iter().any(|n| *n < 0) {
                    return Err(Unlucky);
                }
                Ok(items.iter().map(|n| n * 2).collect())
            }
        });
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
            tokio::time::timeout(Duration::from_millis(1), group.submit(1)).await.unwrap_err();
        }
        assert_eq!(group.submit(2).await.unwrap(), 4);
    }

    /// Two lanes; the item 1 waits until the item 2 is carried out, with or without passing the baton on.
    async fn waiting_for_the_next(passes: bool) -> Duration {
        let next = Arc::new(Notify::new());
        let group = Batcher::start("numbers", 1, 2, meets_one, move |items: Arc<[i64]>, baton: Baton| {
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
        });
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
        let group: Numbers = Batcher::start("numbers", 1, 1, meets_one, |_, _| async {
            RUNNING.fetch_add(1, Ordering::SeqCst);
            std::future::pending().await
        });
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
}
