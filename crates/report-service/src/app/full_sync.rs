//! The full run, on request: every user, every transaction and every entry.

use std::time::{Duration, Instant};

use common::Result;
use fault::point;
use money::UserId;
use mysql::lease::Holder;

use super::sync::{RunError, Sync};
use crate::{codes, store::copies};

/// Held by the one full run that may be under way.
const LEASE: &str = "sync_all";
/// How often the lease is renewed: a few times before it would run out.
const RENEW_AFTER: Duration = Duration::from_secs(1);

/// What a full run took over.
#[derive(Debug, Clone, Copy, Default)]
pub struct Synced {
    pub users: u64,
    pub transactions: u64,
}

/// A full run under way. It reads the next page while it writes the last one.
pub(super) struct FullRun<'a> {
    pub(super) sync: &'a Sync,
    holder: &'a Holder,
    renewed: Instant,
}

impl Sync {
    /// A full run: every user, every transaction and every entry; 409 while another one is under way.
    pub async fn run_all(&self) -> Result<Synced> {
        // a holder of its own: two requests to the same instance exclude each other too
        let holder = Holder::new();
        if !self.hold(LEASE, &holder).await? {
            return Err(codes::SYNC_IN_PROGRESS.into());
        }
        let mut run = FullRun { sync: self, holder: &holder, renewed: Instant::now() };
        let synced = run.take_over_everything().await;
        self.release(LEASE, &holder).await?;
        Ok(synced?)
    }
}

impl FullRun<'_> {
    async fn take_over_everything(&mut self) -> Result<Synced, RunError> {
        let users = self.take_over_users().await?;
        let transactions = self.take_over_transactions().await?;
        self.rebuild_entries().await?;
        Ok(Synced { users, transactions })
    }

    async fn take_over_users(&mut self) -> Result<u64, RunError> {
        let sync = self.sync;
        let mut taken = 0;
        let mut page = sync.users.page_after(None).await?;
        while let Some(last) = page.last() {
            taken += page.len() as u64;
            self.renew().await?;
            let (written, next) = tokio::join!(self.write_users(&page), sync.users.page_after(Some(*last)));
            written?;
            page = next?;
        }
        Ok(taken)
    }

    async fn write_users(&self, page: &[UserId]) -> Result<(), RunError> {
        let written = mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.sync.pool, point!("sync.users")).await?;
            copies::take_over_users(tx.conn().await?, page).await?;
            tx.commit().await
        });
        Ok(written.await?)
    }

    async fn take_over_transactions(&mut self) -> Result<u64, RunError> {
        let sync = self.sync;
        let mut run = sync.run_from_the_beginning().await?;
        let mut page = sync.transactions.changes(run.position).await?;
        let mut taken = 0;
        loop {
            taken += page.len() as u64;
            self.renew().await?;
            let Some(next_run) = run.after(&page) else {
                sync.take_over_page(run, &page).await?;
                return Ok(taken);
            };
            let (written, next) =
                tokio::join!(sync.take_over_page(run, &page), sync.transactions.changes(next_run.position));
            written?;
            (run, page) = (next_run, next?);
        }
    }

    pub(super) async fn renew(&mut self) -> Result<(), RunError> {
        if self.renewed.elapsed() >= RENEW_AFTER {
            if !self.sync.hold(LEASE, self.holder).await? {
                return Err(RunError::LeaseLost);
            }
            self.renewed = Instant::now();
        }
        Ok(())
    }
}
