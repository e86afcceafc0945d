//! Background work: a worker is one step that tests can drive; the loop, its pauses and its shutdown are here.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{error::error_chain, origin};

/// The longest rest: a step that was held up, by a service that did not answer, say, has kept nothing busy.
const MAX_REST: Duration = Duration::from_secs(1);
/// From the start of a step that found nothing to the next one, however often there is something to do: a burst is one step.
const SOONEST: Duration = Duration::from_millis(250);

/// What a step found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There was work, and there may be more: go on at once.
    Worked,
    /// Nothing to do: pause.
    Idle,
}

/// How a worker divides its time.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The pause after a step that found nothing or failed. A [`Signal`] shortens it.
    pub idle: Duration,
    /// What follows a step that worked.
    pub rest: Rest,
}

/// The time that a worker leaves to those who move money.
#[derive(Debug, Clone, Copy)]
pub enum Rest {
    /// It goes on at once.
    Never,
    /// It rests this many times as long as the step took, a second at most: 3 leaves three quarters of the time, and of
    /// what the step would have kept busy.
    Always(u32),
    /// The same if a request came to this process during the step; else it goes on at once.
    WhileServing(u32),
}

impl Rest {
    fn after(self, step: Duration, was_asked: bool) -> Duration {
        match self {
            Self::Always(times) => MAX_REST.min(step * times),
            Self::WhileServing(times) if was_asked => Self::Always(times).after(step, true),
            Self::Never | Self::WhileServing(_) => Duration::ZERO,
        }
    }
}

/// Tells the workers of this process that there is something to do. What other instances have done, and whoever was killed before
/// it could tell, is found after the pause.
#[derive(Debug)]
pub struct Signal(LazyLock<watch::Sender<()>>);

impl Signal {
    /// A signal that nobody waits for yet.
    #[expect(clippy::new_without_default, reason = "it is made for a static")]
    pub const fn new() -> Self {
        Self(LazyLock::new(|| watch::Sender::new(())))
    }

    /// Ends the pauses of those who wait for it.
    pub fn give(&self) {
        self.0.send_replace(());
    }
}

/// The running workers of a process.
#[derive(Clone, Default)]
pub struct Workers {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Workers {
    /// Repeats `step` at `pace` until shutdown. A step that has begun is never cut off.
    pub fn spawn<F, Fut>(&self, name: &'static str, pace: Pace, step: F)
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = anyhow::Result<Step>> + Send + 'static,
    {
        static NEVER: Signal = Signal::new();
        self.spawn_for(&NEVER, name, pace, step);
    }

    /// The same, and `signal` ends a pause in which there was nothing to do.
    pub fn spawn_for<F, Fut>(&self, signal: &'static Signal, name: &'static str, pace: Pace, mut step: F)
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = anyhow::Result<Step>> + Send + 'static,
    {
        let (stopping, mut signals) = (self.stop.clone(), signal.0.subscribe());
        self.tasks.spawn(async move {
            while !stopping.is_cancelled() {
                // what was signalled until now, the step sees
                signals.mark_unchanged();
                let (started, requests) = (Instant::now(), origin::requests_begun());
                // in a task of its own, so that a panic ends the step and not the worker
                let outcome = tokio::spawn(step()).await.map_err(Into::into).flatten();
                if let Err(error) = &outcome {
                    tracing::warn!(worker = name, error = error_chain(&**error), "a step failed");
                }
                let has_worked = matches!(outcome, Ok(Step::Worked));
                let pause = if has_worked {
                    pace.rest.after(started.elapsed(), origin::requests_begun() > requests)
                } else {
                    pace.idle
                };
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = signalled(&mut signals, started), if !has_worked => {}
                    () = stopping.cancelled() => {}
                }
            }
        });
    }

    /// Where a step starts work that it does not wait for: [`Workers::stop`] does.
    pub fn beside(&self) -> TaskTracker {
        self.tasks.clone()
    }

    /// Asks every worker to end after its step, and waits for them.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Waits for a signal since the step that began at `started`, but not shorter than [`SOONEST`].
async fn signalled(signals: &mut watch::Receiver<()>, started: Instant) {
    tokio::time::sleep_until((started + SOONEST).into()).await;
    // the sender is static: it is there forever
    let _ = signals.changed().await;
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    /// Steps of a worker that pauses for an hour, until it is stopped.
    async fn steps_until(signal: &'static Signal, end: impl AsyncFnOnce()) -> u32 {
        let (workers, steps) = (Workers::default(), Arc::new(AtomicU32::new(0)));
        let pace = Pace { idle: Duration::from_hours(1), rest: Rest::Never };
        let counted = steps.clone();
        workers.spawn_for(signal, "test", pace, move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Ok(Step::Idle) }
        });
        end().await;
        workers.stop().await;
        steps.load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_ends_a_pause_and_many_of_them_are_one_step() {
        static SIGNAL: Signal = Signal::new();
        let pause = || tokio::time::sleep(SOONEST * 2);
        assert_eq!(steps_until(&SIGNAL, async || pause().await).await, 1, "nobody signals");
        let steps = steps_until(&SIGNAL, async || {
            for _ in 0..100 {
                pause().await;
                (0..100).for_each(|_| SIGNAL.give());
            }
            pause().await;
        });
        assert_eq!(steps.await, 101);
    }

    #[test]
    fn a_worker_rests_for_a_multiple_of_its_step_and_a_second_at_most() {
        let (step, long) = (Duration::from_millis(20), Duration::from_secs(10));
        let while_serving = [Rest::Never, Rest::Always(3), Rest::WhileServing(4)].map(|rest| rest.after(step, true));
        assert_eq!(while_serving, [0, 60, 80].map(Duration::from_millis));
        let when_quiet = [Rest::Never, Rest::Always(3), Rest::WhileServing(4)].map(|rest| rest.after(step, false));
        assert_eq!(when_quiet, [0, 60, 0].map(Duration::from_millis));
        assert_eq!(Rest::WhileServing(4).after(long, true), MAX_REST);
    }
}
