//! Background work: a worker is one step that tests can drive; the loop, its pauses and its shutdown are here.

use std::time::{Duration, Instant};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{error::error_chain, origin};

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
                let (started, requests) = (Instant::now(), origin::requests_begun());
                // in a task of its own, so that a panic ends the step and not the worker
                let pause = match tokio::spawn(step()).await.map_err(Into::into).flatten() {
                    Ok(Step::Worked) => pace.rest.after(started.elapsed(), origin::requests_begun() > requests),
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

#[cfg(test)]
mod tests {
    use super::*;

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
