//! Creating a transaction, once for each request however often it is sent.

use std::time::Duration;

use common::{Result, origin::Origin};
use money::time;
use tokio::time::{Instant, sleep, timeout_at};

use super::transfers::{NotSent, Transfers};
use crate::{
    codes,
    domain::{
        intent::{Inserted, Intent, NewTransaction, Request},
        step::{Exceeded, Failure},
        transaction::Transaction,
    },
    store::transactions as store,
};

/// How long a request waits for another one under the same key.
const OUTCOME_WAIT: Duration = Duration::from_secs(3);
/// How long until it carries on what the other one has begun: the instance that was at it may be frozen.
const OWN_TURN: Duration = Duration::from_millis(400);
/// How often it looks meanwhile.
const OUTCOME_PAUSE: Duration = Duration::from_millis(100);

/// What became of a request to create a transaction.
pub enum Creation {
    /// A new transaction, as far as it has come, and what was asked for.
    New(Transaction, NewTransaction),
    /// The request was carried out before; this is its transaction.
    Before(Transaction, NewTransaction),
}

impl Transfers {
    /// Creates a transaction and asks user-service to set the money aside, or to move it if it is a one-step transfer; if it is to begin
    /// later, it only creates it.
    pub async fn create(&self, new: NewTransaction, request: &Request) -> Result<Creation> {
        let now = time::unique_now(); // tells this request from another one under the same key
        let intent =
            Intent { new: new.clone(), request: request.clone(), actor: Origin::current().actor().to_owned(), now };
        let is_later = new.execute_at.is_some();
        // what happens rarely has a future of its own: this one is moved with every request, and is as large as its largest part
        let inserted =
            if is_later { Box::pin(self.insert_later(&intent)).await? } else { self.0.writer.insert(intent).await? };
        match inserted {
            Inserted::New(row) => self.start(row, new).await,
            Inserted::Before(row) if row.fingerprint != request.fingerprint => {
                Err(codes::IDEMPOTENCY_KEY_REUSED.into())
            }
            // a second run after an unknown commit finds what the first one wrote
            Inserted::Before(row) if row.created_at == now => self.start(row, new).await,
            // what becomes of it at its time is no part of the answer
            Inserted::Before(row) if is_later => Ok(Creation::Before(row, new)),
            Inserted::Before(row) => Ok(Creation::Before(Box::pin(self.outcome(row)).await?, new)),
        }
    }

    /// The transaction of a request that is asked again, once it is known what came of it; for as long as that takes, up to
    /// [`OUTCOME_WAIT`]. A proxy that gave an instance up asks another one while the first may still be at it, or never be again: then
    /// this one goes on with it, as the settler would.
    pub(super) async fn outcome(&self, mut row: Transaction) -> Result<Transaction> {
        let (mut own_turn, deadline) = (Instant::now() + OWN_TURN, Instant::now() + OUTCOME_WAIT);
        while row.is_being_created() && Instant::now() < deadline {
            sleep(OUTCOME_PAUSE).await;
            row = self.0.lookups.find(row.id).await?.unwrap_or(row);
            if row.is_being_created() && Instant::now() >= own_turn {
                own_turn = deadline; // once: the settler goes on
                if let Ok(Some(advanced)) = timeout_at(deadline, self.go_on(&row)).await.unwrap_or(Ok(None)) {
                    row = advanced;
                }
            }
        }
        Ok(row)
    }

    /// Goes on with what another instance has begun, unless that one has just changed it. The attempt is counted before anything is sent, so
    /// that the other one, which may not reach user-service, does not give up what was sent from here.
    async fn go_on(&self, seen: &Transaction) -> Result<Option<Transaction>, sqlx::Error> {
        let Some(row) = store::claim(&mut *self.0.pool.acquire().await?, seen.id, seen.version).await? else {
            return Ok(None);
        };
        Ok(self.advance(row, false).await.ok())
    }

    /// By what a transaction exceeds a limit of its sender, if it was refused for that. An instance that no longer knows, or never did,
    /// asks for the refused step again, which is answered from its row.
    pub async fn exceeded(&self, creation: &Creation) -> Option<Exceeded> {
        let (Creation::New(row, new) | Creation::Before(row, new)) = creation;
        if row.state.failure() != Some(Failure::LimitExceeded) {
            return None;
        }
        if let Some(kept) = self.0.standing.kept(row.id) {
            return Some(kept);
        }
        self.execute(row.first_step(new.auto_complete)).await.ok()?;
        self.0.standing.kept(row.id)
    }

    /// Carries out what was just written.
    pub(super) async fn start(&self, row: Transaction, new: NewTransaction) -> Result<Creation> {
        match self.advance(row, true).await {
            Ok(row) => Ok(Creation::New(row, new)),
            Err(NotSent) => Err(codes::SERVICE_UNAVAILABLE.into()),
        }
    }
}
