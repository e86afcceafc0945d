//! Comparing a file with the top-ups, credits and debits that carry a reference.

use chrono::NaiveDate;
use common::{ApiError, Result, idempotency::KeyedRequest, reads::USER_LOCK_TIMEOUT};
use fault::point;
use money::{
    ReconciliationId,
    time::{self, Bound, day_of},
};
use tokio::time::timeout;

use super::sync::Sync;
use crate::{
    codes,
    domain::{
        entry::Place,
        reconciliation::{Lists, Movement, compare},
    },
    store::{
        entries,
        reconciliations::{self as store, New, Reconciliation},
    },
};

/// Movements of the wallet that one comparison looks at, at most: as many as a file of the largest size has lines, about.
const MAX_MOVEMENTS: usize = 300_000;

/// A comparison, and what it has found.
#[derive(Debug)]
pub struct Reconciled {
    pub reconciliation: Reconciliation,
    pub lists: Lists,
    /// True if the request was known.
    pub replayed: bool,
}

impl Sync {
    /// Compares the lines of a file, of which there is at least one, with the wallet's movements from the day of the oldest line to that of
    /// the newest, and keeps what that finds. One at a time: 503 if others take long.
    pub async fn reconcile(&self, there: Vec<Movement>, keyed: Option<&KeyedRequest>) -> Result<Reconciled> {
        let _turn = timeout(USER_LOCK_TIMEOUT, self.reconciling.lock()).await.map_err(|_| codes::OVERLOADED)?;
        let identity = keyed.map(|KeyedRequest { scope, key, .. }| format!("{scope} {key}"));
        if let Some(known) = self.known_reconciliation(identity.as_deref(), keyed).await? {
            return Ok(known);
        }
        let days = there.iter().map(|line| line.date);
        let (Some(from_day), Some(to_day)) = (days.clone().min(), days.max()) else {
            return Err(ApiError::internal("a file without lines"));
        };
        let (here, as_of) = self.movements(from_day, to_day).await?;
        let lists = compare(there, here);
        let request = identity.as_deref().zip(keyed.map(|keyed| &*keyed.fingerprint));
        let new = &New { from_day, to_day, as_of, lists: &lists, request, now: time::now() };
        let kept = mysql::retry(|attempt| async move {
            // another instance may have been asked, too
            if attempt > 1
                && let Some((identity, _)) = request
                && let Some(known) = store::find_request(&mut *self.pool.acquire().await?, identity).await?
            {
                return Ok((known, true));
            }
            let mut tx = mysql::begin(&self.pool, point!("reconciliation")).await?;
            let kept = store::insert(&mut tx, new).await?;
            tx.commit().await?;
            Ok((kept, false))
        })
        .await?;
        match kept {
            (reconciliation, false) => Ok(Reconciled { reconciliation, lists, replayed: false }),
            (known, true) => self.replayed(known, keyed).await,
        }
    }

    /// A comparison that is kept.
    pub async fn reconciliation(&self, id: ReconciliationId) -> Result<Reconciled> {
        let _turn = timeout(USER_LOCK_TIMEOUT, self.reconciling.lock()).await.map_err(|_| codes::OVERLOADED)?;
        let mut conn = self.reads.acquire().await?;
        let reconciliation = store::find(&mut conn, id).await?.ok_or(codes::RECONCILIATION_NOT_FOUND)?;
        let lists = store::lists(&mut conn, id).await?;
        Ok(Reconciled { reconciliation, lists, replayed: false })
    }

    async fn known_reconciliation(
        &self,
        identity: Option<&str>,
        keyed: Option<&KeyedRequest>,
    ) -> Result<Option<Reconciled>> {
        let Some(identity) = identity else { return Ok(None) };
        match store::find_request(&mut *self.pool.acquire().await?, identity).await? {
            Some(known) => self.replayed(known, keyed).await.map(Some),
            None => Ok(None),
        }
    }

    /// What a known request has made; 422 if it asked for something else.
    async fn replayed(&self, known: Reconciliation, keyed: Option<&KeyedRequest>) -> Result<Reconciled> {
        if known.fingerprint.as_ref() != keyed.map(|keyed| &keyed.fingerprint) {
            return Err(codes::IDEMPOTENCY_KEY_REUSED.into());
        }
        let lists = store::lists(&mut *self.pool.acquire().await?, known.id).await?;
        Ok(Reconciled { reconciliation: known, lists, replayed: true })
    }

    /// The movements with a reference of these days, oldest first, and the moment before which all are among them.
    async fn movements(
        &self,
        from: NaiveDate,
        to: NaiveDate,
    ) -> Result<(Vec<Movement>, chrono::DateTime<chrono::Utc>)> {
        let mut snapshot = self.entries(None).await?;
        let entries::Current { generation, true_at } = snapshot.current;
        let end = Bound::Day(to).end(self.zone).min(Place::END.created_at);
        let (mut movements, mut after) = (Vec::new(), Place::before_all_at(Bound::Day(from).begin(self.zone)));
        loop {
            let page = store::page_of_movements(&mut snapshot, generation, after, end).await?;
            let Some(last) = page.last() else { return Ok((movements, true_at)) };
            after = Place { created_at: last.created_at, id: last.entry_id };
            if movements.len() + page.len() > MAX_MOVEMENTS {
                return Err(ApiError::new(codes::TOO_MANY_MOVEMENTS).detail("limit", MAX_MOVEMENTS));
            }
            movements.extend(page.into_iter().map(|row| Movement {
                date: day_of(row.created_at, self.zone),
                amount: row.amount,
                reference: row.reference,
            }));
        }
    }
}
