//! How much one client and one user may ask for in a second, and how many bodies a client may leave unfinished. Other
//! services may ask for as much as they need, while there is room.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};
use money::UserId;

use crate::{
    caller::Identity,
    codes,
    error::{ApiError, Result},
};

/// How much more than in an average second may be asked for at once.
const BURST: u32 = 2;
/// Requests after which those who have not asked for a while are forgotten.
const FORGET_EVERY: u32 = 10_000;

/// Bodies that one client may have begun to send and not ended.
pub const MAX_UNFINISHED: u32 = 64;
/// How long a client waits that has more of them.
const UNFINISHED_WAIT: Duration = Duration::from_secs(1);

/// The limits of one instance. Cheap to clone.
#[derive(Clone)]
pub struct Limits(Arc<Inner>);

struct Inner {
    clients: DefaultKeyedRateLimiter<IpAddr>,
    users: DefaultKeyedRateLimiter<UserId>,
    asked: AtomicU32,
    unfinished: Mutex<HashMap<IpAddr, u32>>,
}

/// A body that is on its way.
pub struct Unfinished {
    limits: Limits,
    client: IpAddr,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let mut unfinished = self.limits.unfinished();
        if let Some(count) = unfinished.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                unfinished.remove(&self.client);
            }
        }
    }
}

impl Limits {
    /// Limits of so many requests a second, for each client and for each user.
    pub fn new(each_second: NonZeroU32) -> Self {
        let burst = each_second.saturating_mul(NonZeroU32::new(BURST).expect("it is not 0"));
        let quota = Quota::per_second(each_second).allow_burst(burst);
        let (clients, users) = (RateLimiter::keyed(quota), RateLimiter::keyed(quota));
        Self(Arc::new(Inner { clients, users, asked: AtomicU32::new(0), unfinished: Mutex::default() }))
    }

    fn unfinished(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        self.0.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a body of `client` that is on its way, for as long as what is returned lives; refuses it if there are too
    /// many.
    pub fn wait_for_body(&self, client: IpAddr) -> Result<Unfinished> {
        let mut unfinished = self.unfinished();
        let count = unfinished.entry(client).or_default();
        if *count >= MAX_UNFINISHED {
            return Err(ApiError::new(codes::RATE_LIMITED).retry_after(UNFINISHED_WAIT));
        }
        *count += 1;
        Ok(Unfinished { limits: self.clone(), client })
    }

    /// Counts a request that came from `client`, and refuses it if there were too many.
    pub fn admit(&self, client: IpAddr, identity: Identity) -> Result<()> {
        if self.0.asked.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.0.clients.retain_recent();
            self.0.users.retain_recent();
        }
        if identity.is_service() {
            return Ok(());
        }
        match identity.user() {
            // a user counts wherever it is, and does not use up what others have at the same address
            Some(user) => within(&self.0.users, &user),
            // whoever shows a wrong credential counts where it is, too
            None => within(&self.0.clients, &client),
        }
    }
}

fn within<K: Hash + Eq + Clone>(limiter: &DefaultKeyedRateLimiter<K>, key: &K) -> Result<()> {
    limiter.check_key(key).map_err(|early| {
        let wait: Duration = early.wait_time_from(limiter.clock().now());
        ApiError::new(codes::RATE_LIMITED).retry_after(wait)
    })
}
