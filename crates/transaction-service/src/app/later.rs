//! Transactions that begin later: nothing is asked for before their time. One that is killed at is found as it was: scheduled, or with its
//! first step outstanding, which the settler goes on with.

use common::{Result, origin::Origin, outbox, worker::Step as WorkerStep};
use fault::point;
use futures::future::join_all;
use mysql::DbError;

use super::{
    settle::{MAX_STEPS, Settler},
    transfers::{NotSent, Transfers},
};
use crate::{
    domain::{
        facts,
        intent::{Inserted, Intent, Request},
        state::Status,
        transaction::Transaction,
        transition::{Changed, Transition},
    },
    store::{intents, transactions as store},
};

impl Transfers {
    /// Commits an intent that begins later, with the fact that it does.
    pub(super) async fn insert_later(&self, intent: &Intent) -> Result<Inserted, DbError> {
        let origin = &Origin::current();
        mysql::retry(|_| async move {
            let mut tx = mysql::begin(&self.0.pool, point!("later")).await?;
            if let Some(known) = store::find_request(tx.conn().await?, intent.identity()).await? {
                return Ok(Inserted::Before(known));
            }
            let row = intents::insert_scheduled(&mut tx, intent).await?;
            outbox::write(&mut tx, &[facts::scheduled(&row, origin)]);
            tx.commit().await?;
            Ok(Inserted::New(row))
        })
        .await
    }

    /// True if the request has made a transaction.
    pub async fn is_known(&self, request: &Request) -> Result<bool> {
        Ok(store::find_request(&mut *self.0.pool.acquire().await?, &request.identity).await?.is_some())
    }

    /// Begins a scheduled transaction, and carries it out as far as that is possible. Of two instances one begins it.
    async fn begin_scheduled(&self, row: Transaction) -> Result<Transaction> {
        let Changed { row: Some(begun), won: true } = self.change(&row, Transition::Begin).await? else {
            return Ok(row);
        };
        match self.advance(begun, false).await {
            Ok(row) => Ok(row),
            Err(NotSent) => unreachable!("only a fresh transaction fails without being sent"),
        }
    }
}

impl Settler {
    /// Begins one batch of scheduled transactions whose time has come.
    pub async fn begin_once(&self) -> anyhow::Result<WorkerStep> {
        let due = store::scheduled(&mut *self.pool.acquire().await?, MAX_STEPS).await?;
        if due.is_empty() {
            return Ok(WorkerStep::Idle);
        }
        let mut step = WorkerStep::Worked;
        for begun in join_all(due.into_iter().map(|row| self.transfers.begin_scheduled(row))).await {
            match begun {
                // user-service is silent: the settler goes on with this one, and the others wait for their turn
                Ok(row) if row.status() == Status::Processing => step = WorkerStep::Idle,
                Ok(row) => tracing::info!(transaction = %row.id, status = ?row.status(), "begun"),
                Err(error) => anyhow::bail!("a scheduled transaction could not begin: {}", error.body()),
            }
        }
        Ok(step)
    }
}
