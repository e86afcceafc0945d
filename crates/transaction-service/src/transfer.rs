//! The life of a transfer: intent first, then the verb, then the outcome.
//!
//! Each change of a transaction is committed before user-service is asked for the verb that carries it out, and the
//! outcome is committed after the answer, with what the parties are told. A crash anywhere leaves a row that says
//! which verb to ask for again: see [`crate::settle`].

mod decision;
mod machine;
mod model;

use chrono::{DateTime, Utc};
use common::{
    ApiError, Result, TransactionId,
    db::{self, DbError},
    http::client::CallError,
    time,
};
use sqlx::MySqlPool;

pub use decision::{Decided, Decision};
pub use machine::Next;
pub use model::{Failure, NewTransaction, Request, Status, Step, Transaction, Verb};

use crate::{
    Config,
    clients::{StepOutcome, UserClient},
    store::transactions::{self as store, Inserted},
};

/// What became of the wish to create a transaction.
pub enum Created {
    /// A new transaction, as far as it has come.
    New(Transaction),
    /// The request was carried out before; this is its transaction.
    Before(Transaction),
}

/// Creates, decides and settles transactions. Cheap to clone.
#[derive(Clone)]
pub struct Transfers {
    pool: MySqlPool,
    users: UserClient,
    currency: std::sync::Arc<str>,
    pending_ttl: u32,
}

impl Transfers {
    /// Transfers in `pool`, with the money in user-service.
    pub fn new(pool: MySqlPool, users: UserClient, config: &Config) -> Self {
        let currency = config.service.currency.as_str().into();
        Self { pool, users, currency, pending_ttl: config.pending_ttl }
    }

    /// Creates a transaction and asks user-service to set the money aside, or to move it if it is a one-step transfer.
    pub async fn create(&self, new: &NewTransaction, request: &Request) -> Result<Created> {
        let now = time::now();
        let inserted = db::retry(|| async {
            let mut tx = self.pool.begin().await?;
            let inserted = store::insert(&mut tx, new, request, self.pending_ttl, now).await?;
            db::commit(tx).await?;
            Ok(inserted)
        })
        .await?;
        match inserted {
            Inserted::New(row) => self.start(row).await,
            // a second run after an unknown commit finds what the first one wrote
            Inserted::Before { fingerprint, row } if row.created_at == now && fingerprint == request.fingerprint => {
                self.start(row).await
            }
            Inserted::Before { fingerprint, row } if fingerprint == request.fingerprint => Ok(Created::Before(row)),
            Inserted::Before { .. } => Err(common::idempotency::mismatch()),
        }
    }

    async fn start(&self, row: Transaction) -> Result<Created> {
        match self.advance(row, true).await {
            Advance::Row(row) => Ok(Created::New(row)),
            Advance::NotSent => Err(ApiError::unavailable(
                "service_unavailable",
                "The payment was not made: user-service cannot be reached at the moment",
            )),
        }
    }

    /// Asks user-service for the verb that `row` waits for and commits the outcome; returns the row as it stands then.
    ///
    /// A row whose outcome is not known, or could not be stored, comes back as it was: the money may have moved, so
    /// this is no error, and the settler goes on with it. If `fresh`, this request has just created the row, and its
    /// first verb fails the transaction at once when user-service was certainly not reached. Any later verb carries out
    /// a decision of somebody who may have sent it already.
    async fn advance(&self, mut row: Transaction, fresh: bool) -> Advance {
        while let Some(step) = row.outstanding() {
            let stored = match self.users.execute(&[step]).await {
                Ok(outcomes) => self.record(&row, outcomes[0], time::now()).await,
                Err(error @ (CallError::NotReached { .. } | CallError::Refused { .. }))
                    if fresh && row.is_being_created() =>
                {
                    tracing::warn!(transaction = %row.id, %error, "nothing was sent");
                    match self.fail_unsent(&row, time::now()).await {
                        Ok(true) => return Advance::NotSent,
                        Ok(false) => return Advance::Row(row),
                        Err(error) => Err(error),
                    }
                }
                Err(error) => {
                    tracing::warn!(transaction = %row.id, %error, "the settler will ask again");
                    return Advance::Row(row);
                }
            };
            match stored {
                Ok(next) => row = next,
                Err(error) => {
                    tracing::warn!(transaction = %row.id, %error, "the settler will store the outcome");
                    return Advance::Row(row);
                }
            }
        }
        Advance::Row(row)
    }

    /// Commits what `outcome` means for `row`, with what the parties are told, and returns the row as it stands then.
    pub async fn record(
        &self,
        row: &Transaction,
        outcome: StepOutcome,
        now: DateTime<Utc>,
    ) -> Result<Transaction, DbError> {
        let next = Next::of(row, outcome);
        let events = next.events(row, &self.currency);
        let (id, step) = (row.id, row.step);
        db::retry(|| async {
            let mut tx = self.pool.begin().await?;
            if store::apply(&mut tx, id, step, &next, now).await? {
                common::outbox::insert(&mut tx, &events).await?;
            }
            let row = store::find(&mut tx, id).await?.ok_or(sqlx::Error::RowNotFound)?;
            db::commit(tx).await?;
            Ok(row)
        })
        .await
    }

    async fn fail_unsent(&self, row: &Transaction, now: DateTime<Utc>) -> Result<bool, DbError> {
        let events = Next::unsent().events(row, &self.currency);
        db::retry(|| async {
            let mut tx = self.pool.begin().await?;
            let failed = store::fail_unsent(&mut tx, row, now).await?;
            if failed {
                common::outbox::insert(&mut tx, &events).await?;
            }
            db::commit(tx).await?;
            Ok(failed)
        })
        .await
    }

    /// The transaction `id`, unless it is hidden.
    pub async fn find(&self, id: TransactionId) -> Result<Option<Transaction>> {
        Ok(store::find(&mut *self.pool.acquire().await?, id).await?.filter(|row| !row.hidden))
    }

    /// The steps that are asked for together, and the settler's way to ask.
    pub async fn execute(&self, steps: &[Step]) -> Result<Vec<StepOutcome>, CallError> {
        self.users.execute(steps).await
    }
}

enum Advance {
    /// The transaction as it stands now.
    Row(Transaction),
    /// Nothing was sent; the transaction is failed and its key is free again.
    NotSent,
}
