//! What work is done for: the request that asked for it, and its place in a trace. It is carried into logs, answers and calls
//! to other services.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::http::HeaderValue;

use crate::trace::Trace;

/// What work is done for: the request that asked for it, and its place in a trace.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Names the request; `None` in a worker.
    pub request_id: Option<HeaderValue>,
    /// Where calls and what is done later go on from.
    pub trace: Trace,
    /// Who sent the request, as logs name the caller; `None` in a worker.
    pub actor: Option<Arc<str>>,
}

/// The actor of what the wallet does by itself.
pub const SYSTEM: &str = "system";

/// Requests that this process has begun to serve.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// Counts a request.
pub(crate) fn begin_request() {
    BEGUN.fetch_add(1, Ordering::Relaxed);
}

/// How many requests this process has begun to serve. Whoever asks twice knows whether there were any in between.
pub fn requests_begun() -> u64 {
    BEGUN.load(Ordering::Relaxed)
}

tokio::task_local! {
    static CURRENT: Origin;
}

impl Origin {
    /// What this task works for.
    pub fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// Who acts: the caller, or [`SYSTEM`].
    pub fn actor(&self) -> &str {
        self.actor.as_deref().unwrap_or(SYSTEM)
    }

    /// The request's identity, as text.
    pub fn request(&self) -> Option<&str> {
        self.request_id.as_ref().and_then(|id| id.to_str().ok())
    }

    /// Runs `future` as work for it: for what a request has handed on, or left for later.
    pub async fn scope<F: Future>(self, future: F) -> F::Output {
        CURRENT.scope(self, future).await
    }
}
