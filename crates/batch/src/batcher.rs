//! Batches: requests that wait together share one commit to disk (group commit), one query, or one call.
//!
//! Whatever arrives while a batch is being carried out forms the next one, with whatever else is ready when that begins. No
//! batch waits for more to come: alone, an item goes straight through; under load the batches grow by themselves. Each
//! item succeeds or fails alone, and is answered only when its batch has ended. A caller that stops waiting changes nothing
//! for the others.

use std::{error::Error, sync::Arc, time::Duration};

use metrics::{Gauge, Histogram, gauge, histogram};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::{JoinSet, yield_now},
    time::timeout,
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
    /// Starts gathering under `name`, until there are `max_batch` items (1 turns sharing off), with as many batches under way as
    /// `lanes` says at the time: one that has the baton, and those that have passed it on or are stuck. `work` carries out a
    /// batch, usually in one database transaction, and answers one outcome for each item, in their order. It must be safe to run twice:
    /// a batch that fails is run again item by item, so that an item that cannot be written fails alone; unless
    /// `meets_all` says of its failure that each item would meet it.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start<W, F>(
        name: &'static str,
        max_batch: usize,
        lanes: fn() -> usize,
        meets_all: fn(&E) -> bool,
        work: W,
    ) -> Self
    where
        W: Fn(Arc<[I]>, Baton) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<O>, E>> + Send + 'static,
    {
        let (waiting, sizes) = (gauge!(WAITING, "queue" => name), histogram!(BATCH_SIZE, "queue" => name));
        let (queue, jobs) = mpsc::unbounded_channel();
        let places = Places { free: Arc::new(Semaphore::new(QUEUE)), waiting };
        let gatherer = Gatherer { jobs, max_batch, lanes, places: places.clone(), sizes };
        tokio::spawn(gatherer.run(meets_all, Arc::new(work)));
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

/// What makes batches of the items that wait.
struct Gatherer<I, O, E> {
    jobs: mpsc::UnboundedReceiver<Job<I, O, E>>,
    max_batch: usize,
    lanes: fn() -> usize,
    places: Places,
    sizes: Histogram,
}

/// Who waits for the outcomes of so many items.
type Answer<O, E> = (oneshot::Sender<Vec<Outcome<O, E>>>, usize);

impl<I, O, E> Gatherer<I, O, E>
where
    I: Clone + Send + Sync + 'static,
    O: Send + 'static,
    E: Clone + Error + Send + 'static,
{
    async fn run<W, F>(mut self, meets_all: fn(&E) -> bool, work: Arc<W>)
    where
        W: Fn(Arc<[I]>, Baton) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<O>, E>> + Send + 'static,
    {
        let mut under_way = JoinSet::new();
        while let Some((items, answers)) = self.next().await {
            let (work, baton) = (work.clone(), Baton::default());
            let its_own = baton.clone();
            under_way.spawn(async move {
                let mut outcomes = carry_out(&items, &*work, meets_all, its_own.clone()).await.into_iter();
                its_own.pass();
                for (answer, count) in answers {
                    answer.send(outcomes.by_ref().take(count).collect()).ok(); // nobody may be waiting any more
                }
            });
            timeout(PATIENCE, baton.0.notified()).await.ok();
            while under_way.try_join_next().is_some() {}
            while under_way.len() >= (self.lanes)() {
                under_way.join_next().await;
            }
        }
        under_way.detach_all();
    }

    /// The next batch, once something waits, and who waits for it.
    async fn next(&mut self) -> Option<(Arc<[I]>, Vec<Answer<O, E>>)> {
        let mut next = Some(self.jobs.recv().await?);
        // The runtime runs this task right after the one that queued the first item: those that are ready too go first.
        yield_now().await;
        let (mut items, mut answers) = (Vec::with_capacity(self.max_batch), Vec::new());
        while let Some(Job { items: more, answer, place }) = next {
            answers.push((answer, more.len()));
            items.extend(more);
            drop(place);
            next = if items.len() < self.max_batch { self.jobs.try_recv().ok() } else { None };
        }
        self.sizes.record(number(items.len()));
        self.places.show();
        Some((items.into(), answers))
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
mod tests;
