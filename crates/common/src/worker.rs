//! Background work: a worker is one step that tests can drive; the loop, its pauses and its shutdown are here.

use std::time::Duration;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::error::error_chain;

/// What a step found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There was work, and there may be more: go on at once.
    Worked,
    /// Nothing to do: pause.
    Idle,
}

/// The running workers of a process.
#[derive(Clone, Default)]
pub struct Workers {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Workers {
    /// Repeats `step` until shutdown, with `pause` after a step that found nothing or failed. A step that has begun
    /// is never cut off.
    pub fn spawn<F, Fut>(&self, name: &'static str, pause: Duration, mut step: F)
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = anyhow::Result<Step>> + Send + 'static,
    {
        let stopping = self.stop.clone();
        self.tasks.spawn(async move {
            while !stopping.is_cancelled() {
                // in a task of its own, so that a panic ends the step and not the worker
                match tokio::spawn(step()).await.map_err(Into::into).flatten() {
                    Ok(Step::Worked) => continue,
                    Ok(Step::Idle) => {}
                    Err(error) => tracing::warn!(worker = name, error = error_chain(&*error), "a step failed"),
                }
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
