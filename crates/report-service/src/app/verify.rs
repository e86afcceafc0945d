//! What anybody may be told of a statement, a few times a minute.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use common::{ApiError, Result};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};

use super::sync::Sync;
use crate::{
    codes,
    domain::verification::VerificationCode,
    store::statements::{self, Issued},
};

/// Codes that one client may try in a minute at one instance, whatever `RATE_LIMIT` says.
const EACH_MINUTE: NonZeroU32 = NonZeroU32::new(30).expect("it is not 0");
/// Verifications after which clients that have not tried for a while are forgotten.
const FORGET_EVERY: u32 = 1_000;

/// How many codes each client has tried. Cheap to clone.
#[derive(Clone)]
pub struct Verifications(Arc<Inner>);

struct Inner {
    clients: DefaultKeyedRateLimiter<IpAddr>,
    tried: AtomicU32,
}

impl Verifications {
    /// Nobody has tried any.
    pub fn new() -> Self {
        let clients = RateLimiter::keyed(Quota::per_minute(EACH_MINUTE));
        Self(Arc::new(Inner { clients, tried: AtomicU32::new(0) }))
    }

    /// Counts one, and refuses it if there were too many.
    pub fn admit(&self, client: IpAddr) -> Result<()> {
        if self.0.tried.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.0.clients.retain_recent();
        }
        self.0.clients.check_key(&client).map_err(|early| {
            let wait = early.wait_time_from(self.0.clients.clock().now());
            ApiError::new(codes::RATE_LIMITED).retry_after(wait)
        })
    }
}

impl Sync {
    /// The statement with this code, and how its user is shown to others by now.
    pub async fn verified(&self, code: &VerificationCode) -> Result<Option<(Issued, String)>> {
        let found = statements::find(&mut *self.reads.acquire().await?, code).await?;
        let Some(issued) = found else { return Ok(None) };
        let name = self.display_name(issued.user_id).await?;
        Ok(Some((issued, name)))
    }
}
