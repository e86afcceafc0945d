//! Background work: a worker is one step that tests can drive; the loop, its pauses and its shutdown are here.

use std::time::{Duration, Instant};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::error::error_chain;

/// The longest rest: a step that was held up, by a service that did not answer, say, has kept nothing busy.
const MAX_REST: Duration = Duration::from_secs(1);

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
    /// The pause after a step that found nothing or failed.
    pub idle: Duration,
    /// After a step that worked, rest this many times as long as it took, a second at most: 3 leaves three quarters of
    /// the time, and of what the step would have kept busy, to those who move money. 0 goes on at once.
    pub rest: u32,
}

/// The running workers of a process.
#[derive(Clone, Default)]
pub struct Workers {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Workers {
    /// Repeats `step` at `pace` until shutdown. A step that has begun is never cut off.
    pub fn spawn<F, Fut>(&self, name: &'static str, pace: Pace, mut step: F)
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = anyhow::Result<Step>> + Send + 'static,
    {
        let stopping = self.stop.clone();
        self.tasks.spawn(async move {
            while !stopping.is_cancelled() {
                let started = Instant::now();
                // in a task of its own, so that a panic ends the step and not the worker
                let pause = match tokio::spawn(step()).await.map_err(Into::into).flatten() {
                    Ok(Step::Worked) => MAX_REST.min(started.elapsed() * pace.rest),
                    Ok(Step::Idle) => pace.idle,
                    Err(error) => {
                        tracing::warn!(worker = name, error = error_chain(&*error), "a step failed");
                        pace.idle
                    }
                };
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = stopping.cancelled() => {}
                }
            }
        });
    }

    /// Asks every worker to end after its step, and waits for them.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
