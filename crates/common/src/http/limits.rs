//! How much one client and one user may ask for in a second, and all together at once. Other services may ask for as much as
//! they need, while there is room.

use std::{
    hash::Hash,
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};
use tokio::sync::Semaphore;

use crate::{
    ApiError, Code, Result, UserId,
    caller::{Caller, Gatekeeper},
    client_address::ClientAddress,
};

/// How much more than in an average second may be asked for at once.
const BURST: u32 = 2;
/// Requests after which those who have not asked for a while are forgotten.
const FORGET_EVERY: u32 = 10_000;

/// Requests that one instance works on at once. What comes beyond would only wait for the database, like those before it.
pub const MAX_IN_FLIGHT: usize = 4096;

/// Serves a request if there is `room`, and refuses it at once if there is not.
pub async fn in_room(State(room): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match room.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => ApiError::new(Code::Overloaded).into_response(),
    }
}

/// The limits of one instance. Cheap to clone.
#[derive(Clone)]
pub struct Limits(Arc<Inner>);

struct Inner {
    gatekeeper: Gatekeeper,
    clients: DefaultKeyedRateLimiter<IpAddr>,
    users: DefaultKeyedRateLimiter<UserId>,
    asked: AtomicU32,
}

impl Limits {
    /// Limits of so many requests a second, for each client and for each user that `gatekeeper` knows.
    pub fn new(gatekeeper: Gatekeeper, each_second: NonZeroU32) -> Self {
        let burst = each_second.saturating_mul(NonZeroU32::new(BURST).expect("it is not 0"));
        let quota = Quota::per_second(each_second).allow_burst(burst);
        let (clients, users) = (RateLimiter::keyed(quota), RateLimiter::keyed(quota));
        Self(Arc::new(Inner { gatekeeper, clients, users, asked: AtomicU32::new(0) }))
    }

    fn admit(&self, client: IpAddr, caller: Option<Caller>) -> Result<()> {
        if self.0.asked.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.0.clients.retain_recent();
            self.0.users.retain_recent();
        }
        match caller {
            Some(Caller::Service) => Ok(()),
            // a user counts wherever it is, and does not use up what others have at the same address
            Some(Caller::User(user)) => within(&self.0.users, &user),
            // whoever shows a wrong credential, too
            Some(Caller::Anyone) | None => within(&self.0.clients, &client),
        }
    }
}

fn within<K: Hash + Eq + Clone>(limiter: &DefaultKeyedRateLimiter<K>, key: &K) -> Result<()> {
    limiter.check_key(key).map_err(|early| {
        let wait: Duration = early.wait_time_from(limiter.clock().now());
        ApiError::new(Code::RateLimited).retry_after(wait)
    })
}

/// Serves a request if it is within the limits.
pub async fn layer(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let gatekeeper = &limits.0.gatekeeper;
    let Ok(ClientAddress(client)) = ClientAddress::from_request_parts(&mut parts, gatekeeper).await;
    let caller = gatekeeper.identify(&parts.headers).ok();
    match limits.admit(client, caller) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(refusal) => refusal.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, middleware, routing::get};
    use harness::http::{Api, serve};
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn what_does_not_fit_in_is_refused_at_once() {
        let (begun, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (inside, outside) = ((begun.clone(), end.clone()), (begun, end));
        let slow = get(async move || {
            inside.0.notify_one();
            inside.1.notified().await;
        });
        let room = Arc::new(Semaphore::new(1));
        let app = Router::new().route("/", slow).layer(middleware::from_fn_with_state(room, in_room));
        let app = app.layer(middleware::from_fn(crate::context::layer));
        let api = Api::new(serve(app).await);
        let first = tokio::spawn({
            let api = api.clone();
            async move { api.get("/").await }
        });
        outside.0.notified().await;
        let refused = api.get("/").await.expect_error(503, "overloaded");
        assert_eq!(refused.header("retry-after"), "1");
        outside.1.notify_one();
        let _ = first.await.unwrap().expect(200);
    }
}
